-- So that no other table's run begins while it is decided whether the tables can go. Lock: none on the user's table.
LOCK TABLE llamactl.run, llamactl.step IN ACCESS EXCLUSIVE MODE;
