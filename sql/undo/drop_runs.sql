-- Where no other table has any. Lock: none on the user's table.
DROP TABLE llamactl.step, llamactl.run;
