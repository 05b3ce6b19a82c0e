-- The rules for reading the log. Parameters: trust_root_flag (true: the parent of a row with the root flag is ignored), fill_dangling
-- (true: rows whose only root is a dangling parent get its id). Lock: none.
-- Default trust_root_flag: true
-- Default fill_dangling: true
INSERT INTO pg_temp.setting (trust_root_flag, fill_dangling)
VALUES (:'trust_root_flag'::boolean, :'fill_dangling'::boolean);
