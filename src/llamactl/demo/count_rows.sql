SELECT count(*) FROM "public"."LlamaLog";
