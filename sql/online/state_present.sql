-- What there is for recording runs. Returns: schema_present, present (the tables). Lock: none.
SELECT to_regnamespace('llamactl') IS NOT NULL AS schema_present, to_regclass('llamactl.run') IS NOT NULL AS present;
