-- Drops the table of saved parents, if nothing in it is still needed. Lock: none on the user's table.
DROP TABLE llamactl.cleared_parent;
