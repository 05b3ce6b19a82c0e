import psycopg
def test_database(database, connection, insert, psql):
    insert([("a", None), ("b", "a", True), {"metadata": {"x": 1}, "sources": ["a"]}])
    assert connection.execute('select count(*) from "LlamaLog"').fetchone() == (3,)

def test_each(each_database, each_server):
    with psycopg.connect(each_database) as c:
        assert c.execute('select count(*) from "LlamaLog"').fetchone() == (0,)

def test_own(own_server, own_database):
    own_server.private.stop("immediate"); own_server.private.start()
    with psycopg.connect(own_database) as c:
        assert c.execute('select count(*) from "LlamaLog"').fetchone() == (0,)
def test_tools(psql, pg_tool):
    print(psql, pg_tool("pg_dump"))
def test_cli(run_cli):
    r = run_cli("--help"); print(r)
def test_many(new_database):
    import time; t=time.time()
    for i in range(20): new_database()
    print(time.time()-t); t=time.time()
