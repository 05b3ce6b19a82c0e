-- Keeps other runs from beginning while it is decided whether the tables can be dropped. Lock: none on the user's table.
LOCK TABLE llamactl.run, llamactl.step IN ACCESS EXCLUSIVE MODE;
