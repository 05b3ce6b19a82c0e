-- Where no other table's parents are kept. Lock: none on the user's table.
DROP TABLE llamactl.cleared_parent;
