-- Where nothing is kept in it any more. Lock: none on the user's table.
DROP TABLE llamactl.cleared_parent;
