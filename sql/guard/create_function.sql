-- The guard's function: it gives a row without a root its root if that can be determined immediately; otherwise the root stays NULL, for
-- repair to fill. Lock: none on the user's table.
--   1. Look up the one parent of the row's job (of its parent, for a row without a job), then the parent's parent, and so on. Blank
--      parents and those of rows with the root flag are ignored.
--   2. A job that has rows, but no parent, is the root.
--   3. With several parents, a cycle, a parent without rows (which may still arrive), or more than 64 steps, the root stays NULL.
--   Stored roots are never read: their jobs may have been given other parents since.
-- VOLATILE, to see the earlier rows of its own statement. Not SECURITY DEFINER: for a role that may not read the whole log the root is
-- NULL. Whatever fails in here, the application's write succeeds; but a row whose job is its own parent is rejected, as by the CHECK.
-- Its argument says whether the parent of a row with the root flag is ignored; false if the table has no such column.
CREATE OR REPLACE FUNCTION llamactl."LlamaLog_guard"() RETURNS pg_catalog.trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- Else a plan that was made while the table was small would stay with the session.
SET enable_seqscan = off
AS $guard$
#variable_conflict use_column
<<guard>>
DECLARE
  -- None can fail here, where nothing would catch it: so not of the columns' types, which may refuse NULL, or be gone.
  blanks CONSTANT text := E' \t\n\r\f\x0b';
  own_job text;
  own_parent text;
  self_parent boolean;
  old_id text;             -- of the row that this one takes the place of
  job text;                -- the one that is asked for its parent
  asked record;            -- the same, as job, in the type of its column
  trusted boolean;         -- the root flag disregards a row's parent
  first_parent text;       -- of those that the job's rows name, in the order of the index
  last_parent text;
  parent text;             -- the job's one parent
  walked text[];
BEGIN
  BEGIN
    -- Ours are right without it.
    IF current_setting('llamactl.filling', true) = 'on' THEN
      RETURN NEW;
    END IF;
    SELECT NEW."job_id" AS job INTO asked;
    own_job := asked.job;
    own_parent := NEW."parent_job_id";
    own_job := CASE WHEN btrim(own_job, blanks) <> '' THEN own_job END;
    own_parent := CASE WHEN btrim(own_parent, blanks) <> '' THEN own_parent END;
    self_parent := own_job = own_parent AND (TG_OP = 'INSERT'
      OR OLD."job_id" IS DISTINCT FROM NEW."job_id" OR OLD."parent_job_id" IS DISTINCT FROM NEW."parent_job_id");
    -- Row security hides a part of the log. Under SERIALIZABLE, reading it would make writes of others fail, and this one.
    IF self_parent IS NOT TRUE AND NEW."root_job_id" IS NULL
      AND current_setting('transaction_isolation') <> 'serializable' AND NOT row_security_active(TG_RELID) THEN
      IF TG_OP = 'UPDATE' THEN
        old_id := OLD."id";
      END IF;
      trusted := TG_ARGV[0];
      IF trusted AND own_job IS NOT NULL AND own_parent IS NOT NULL THEN
        IF NEW."is_root_job" THEN
          own_parent := NULL;
        END IF;
      END IF;
      job := coalesce(own_job, own_parent);
      parent := CASE WHEN own_job IS NOT NULL THEN own_parent END;

      FOR step IN 0 .. 64 LOOP
        EXIT WHEN job IS NULL OR job = ANY (walked);
        walked := walked || job;
        asked.job := job;
        -- The column cannot hold it.
        EXIT WHEN asked.job::text COLLATE "C" <> job;

        -- BETWEEN, and both columns in ORDER BY: so that no index will do but one that leads with the job.
        SELECT lowest.parent, highest.parent
        INTO first_parent, last_parent
        FROM (SELECT NULL::boolean AS "is_root_job") AS absent
        CROSS JOIN LATERAL (
          SELECT log."parent_job_id"::text AS parent
          FROM "public"."LlamaLog" AS log
          WHERE log."job_id" BETWEEN asked.job AND asked.job AND log."id"::text COLLATE "C" IS DISTINCT FROM guard.old_id
            AND log."parent_job_id" IS NOT NULL AND btrim(log."parent_job_id"::text, guard.blanks) <> ''
            AND (guard.trusted AND "is_root_job") IS NOT TRUE
          ORDER BY log."job_id", log."parent_job_id"
          LIMIT 1
        ) AS lowest
        LEFT JOIN LATERAL (
          SELECT log."parent_job_id"::text AS parent
          FROM "public"."LlamaLog" AS log
          WHERE log."job_id" BETWEEN asked.job AND asked.job AND log."id"::text COLLATE "C" IS DISTINCT FROM guard.old_id
            AND log."parent_job_id" IS NOT NULL AND btrim(log."parent_job_id"::text, guard.blanks) <> ''
            AND (guard.trusted AND "is_root_job") IS NOT TRUE
          ORDER BY log."job_id" DESC, log."parent_job_id" DESC
          LIMIT 1
        ) AS highest ON true;
        IF NOT FOUND AND job IS DISTINCT FROM own_job THEN
          PERFORM
          FROM "public"."LlamaLog" AS log
          WHERE log."job_id" BETWEEN asked.job AND asked.job AND log."id"::text COLLATE "C" IS DISTINCT FROM guard.old_id
          ORDER BY log."job_id", log."parent_job_id"
          LIMIT 1;
          EXIT WHEN NOT FOUND;
        END IF;
        EXIT WHEN first_parent <> last_parent OR first_parent <> parent;
        parent := coalesce(first_parent, parent);
        IF parent IS NULL THEN
          NEW."root_job_id" := asked.job;
          EXIT;
        END IF;
        job := parent;
        parent := NULL;
      END LOOP;
    END IF;
  EXCEPTION
    WHEN OTHERS THEN
      RETURN NEW;
  END;
  IF self_parent THEN
    RAISE EXCEPTION 'job % is its own parent', quote_literal(own_job)
      USING ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            HINT = 'Refused by the guard of llamactl.';
  END IF;
  RETURN NEW;
END
$guard$;
