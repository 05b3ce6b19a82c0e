-- A separate schema, so that other tools see no drift in the table's. Created only if there is something to store. Lock: none.
CREATE SCHEMA llamactl;
COMMENT ON SCHEMA llamactl IS 'Created by llamactl: contains what it needs to undo a migration. [llamactl:schema]';
