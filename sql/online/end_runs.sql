-- The runs that were cut are complete: the table was migrated since. Parameters: schema, table. Lock: none on the user's table.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
UPDATE llamactl.run SET ended_at = clock_timestamp()
WHERE table_schema = :'schema' AND table_name = :'table' AND ended_at IS NULL;
