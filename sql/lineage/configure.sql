-- How to read the log. Parameters: trust_root_flag (true: a flagged row's parent is disregarded), fill_dangling (true: rows
-- whose one root is a dangling parent get its id). Lock: none.
-- Default trust_root_flag: true
-- Default fill_dangling: true
INSERT INTO pg_temp.setting (trust_root_flag, fill_dangling)
VALUES (:'trust_root_flag'::boolean, :'fill_dangling'::boolean);
