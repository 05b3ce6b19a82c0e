-- Drops the tables that record runs, if no other table has any. Lock: none on the user's table.
DROP TABLE llamactl.step, llamactl.run;
