-- Where nothing is left in it. Lock: none.
DROP SCHEMA llamactl;
