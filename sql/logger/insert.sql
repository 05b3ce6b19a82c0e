-- Inserts rows into the log. A row whose id exists is skipped, so that a retry writes nothing twice; so is a row that violates another
-- unique index: present.sql distinguishes the two. No conflict target is named, since that would need SELECT.
-- Parameters: entries (a JSON array of objects with the names of the columns). Lock: ROW EXCLUSIVE.
-- The logger removes the lines of columns that the table lacks, so each has its own line; job_id always exists. It removes the last
-- line if the server does not accept it: if the table has rules or a deferrable unique constraint.
-- Default entries: '[]'
INSERT INTO "public"."LlamaLog" (
  "id",
  "entity_type",
  "entity_id",
  "artist_id",
  "album_id",
  "track_id",
  "operation",
  "category",
  "sources",
  "status",
  "reason",
  "fields_enriched",
  "data_quality_before",
  "data_quality_after",
  "error_message",
  "error_code",
  "retry_count",
  "duration_ms",
  "api_call_count",
  "metadata",
  "parent_job_id",
  "root_job_id",
  "is_root_job",
  "triggered_by",
  "user_id",
  "created_at",
  "job_id"
)
SELECT
  entry."id",
  entry."entity_type",
  entry."entity_id",
  entry."artist_id",
  entry."album_id",
  entry."track_id",
  entry."operation",
  entry."category",
  entry."sources",
  entry."status",
  entry."reason",
  entry."fields_enriched",
  entry."data_quality_before",
  entry."data_quality_after",
  entry."error_message",
  entry."error_code",
  entry."retry_count",
  entry."duration_ms",
  entry."api_call_count",
  entry."metadata",
  entry."parent_job_id",
  entry."root_job_id",
  entry."is_root_job",
  entry."triggered_by",
  entry."user_id",
  entry."created_at",
  entry."job_id"
FROM pg_catalog.json_populate_recordset(NULL::"public"."LlamaLog", :'entries'::pg_catalog.json) AS entry
ON CONFLICT DO NOTHING;
