-- Where no other table's runs are kept. Lock: none on the user's table.
DROP TABLE llamactl.step, llamactl.run;
