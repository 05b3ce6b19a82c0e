-- Other tables' parents are still kept. Parameters: schema, table. Lock: none on the user's table.
\if :{?schema}
\else
\set schema 'public'
\endif
\if :{?table}
\else
\set table 'LlamaLog'
\endif
DELETE FROM llamactl.cleared_parent WHERE table_schema = :'schema' AND table_name = :'table';
