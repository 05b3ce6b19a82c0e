-- The log table as the application's Prisma migrations left it, before root_job_id: no index on job_id, no LINKED.

CREATE TYPE "public"."LlamaLogEntityType" AS ENUM ('ALBUM', 'ARTIST', 'TRACK');
CREATE TYPE "public"."LlamaLogCategory" AS ENUM ('CREATED', 'ENRICHED', 'CORRECTED', 'CACHED', 'FAILED');
CREATE TYPE "public"."LlamaLogStatus" AS ENUM (
    'SUCCESS', 'PARTIAL_SUCCESS', 'FAILED', 'NO_DATA_AVAILABLE', 'SKIPPED'
);

CREATE TABLE "public"."artists" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "artists_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "public"."albums" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "title" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "albums_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "public"."tracks" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "title" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "tracks_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "public"."LlamaLog" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "entity_type" "public"."LlamaLogEntityType",
    "entity_id" UUID,
    "artist_id" UUID,
    "album_id" UUID,
    "track_id" UUID,
    "operation" VARCHAR(100) NOT NULL,
    "category" "public"."LlamaLogCategory" NOT NULL,
    "sources" TEXT[],
    "status" "public"."LlamaLogStatus" NOT NULL,
    "reason" TEXT,
    "fields_enriched" TEXT[],
    "data_quality_before" TEXT,
    "data_quality_after" TEXT,
    "error_message" TEXT,
    "error_code" VARCHAR(50),
    "retry_count" INTEGER NOT NULL DEFAULT 0,
    "duration_ms" INTEGER,
    "api_call_count" INTEGER NOT NULL DEFAULT 0,
    "metadata" JSONB,
    "job_id" VARCHAR(100),
    "parent_job_id" VARCHAR(100),
    "is_root_job" BOOLEAN NOT NULL DEFAULT false,
    "triggered_by" VARCHAR(50),
    "user_id" UUID,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "LlamaLog_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "LlamaLog_entity_type_entity_id_idx" ON "public"."LlamaLog" ("entity_type", "entity_id");
CREATE INDEX "LlamaLog_artist_id_idx" ON "public"."LlamaLog" ("artist_id");
CREATE INDEX "LlamaLog_album_id_idx" ON "public"."LlamaLog" ("album_id");
CREATE INDEX "LlamaLog_track_id_idx" ON "public"."LlamaLog" ("track_id");
CREATE INDEX "LlamaLog_status_created_at_idx" ON "public"."LlamaLog" ("status", "created_at");
CREATE INDEX "LlamaLog_category_created_at_idx" ON "public"."LlamaLog" ("category", "created_at");
CREATE INDEX "LlamaLog_operation_created_at_idx" ON "public"."LlamaLog" ("operation", "created_at");
CREATE INDEX "LlamaLog_parent_job_id_idx" ON "public"."LlamaLog" ("parent_job_id");
CREATE INDEX "LlamaLog_is_root_job_created_at_idx" ON "public"."LlamaLog" ("is_root_job", "created_at");
CREATE INDEX "LlamaLog_user_id_idx" ON "public"."LlamaLog" ("user_id");

ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_artist_id_fkey"
    FOREIGN KEY ("artist_id") REFERENCES "public"."artists" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_album_id_fkey"
    FOREIGN KEY ("album_id") REFERENCES "public"."albums" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "public"."LlamaLog" ADD CONSTRAINT "LlamaLog_track_id_fkey"
    FOREIGN KEY ("track_id") REFERENCES "public"."tracks" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
