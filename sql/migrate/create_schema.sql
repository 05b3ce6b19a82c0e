-- A schema of our own, so that other tools see no drift in the table's. Made only where there is something to keep. Lock: none.
CREATE SCHEMA llamactl;
COMMENT ON SCHEMA llamactl IS 'Kept by llamactl: what it needs to undo a migration. [llamactl:schema]';
