-- Keeps other sessions from saving parents while it is decided whether the table can be dropped. Lock: none on the user's table.
LOCK TABLE llamactl.cleared_parent IN ACCESS EXCLUSIVE MODE;
