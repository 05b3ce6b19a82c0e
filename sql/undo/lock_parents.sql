-- So that no other table's parents are saved while it is decided whether the table can go. Lock: none on the user's table.
LOCK TABLE llamactl.cleared_parent IN ACCESS EXCLUSIVE MODE;
