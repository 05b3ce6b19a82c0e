import json, psycopg, pytest, subprocess
from cutting import *
from faults import expected_roots, faulty_rows, FAULTY_LOG
ROOTS = 'SELECT "id"::text, "root_job_id"::text FROM "LlamaLog"'
SETUPS = {
 "domain": ['CREATE SCHEMA "d s"; CREATE DOMAIN "d s"."job id" AS varchar(100) CHECK (length(value) < 90)',
    'ALTER TABLE "LlamaLog" ALTER job_id TYPE "d s"."job id"'],
 "domain notnull": ['CREATE DOMAIN jid AS varchar(100)', 'ALTER TABLE "LlamaLog" ALTER job_id TYPE jid, ALTER parent_job_id TYPE jid'],
 "serializable": ["ALTER DATABASE {db} SET default_transaction_isolation = 'serializable'"],
 "repeatable": ["ALTER DATABASE {db} SET default_transaction_isolation = 'repeatable read'"],
 "searchpath": ["ALTER DATABASE {db} SET search_path = ''"],
 "scs": ["ALTER DATABASE {db} SET standard_conforming_strings = off"],
 "bytea": ["ALTER DATABASE {db} SET bytea_output = 'escape'; ALTER DATABASE {db} SET quote_all_identifiers = on; ALTER DATABASE {db} SET datestyle='German'; ALTER DATABASE {db} SET extra_float_digits=0; ALTER DATABASE {db} SET lc_messages='C'"],
 "shadow": ["CREATE TABLE edge(x int); CREATE TABLE walk(y int); CREATE FUNCTION present(text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'; CREATE TABLE setting(z int); CREATE FUNCTION btrim(text,text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'"],
 "nojit": ["ALTER DATABASE {db} SET jit=on; ALTER DATABASE {db} SET jit_above_cost=0"],
 "force_parallel": ["ALTER DATABASE {db} SET min_parallel_table_scan_size=0; ALTER DATABASE {db} SET parallel_setup_cost=0; ALTER DATABASE {db} SET parallel_tuple_cost=0"],
 "planner": ["ALTER DATABASE {db} SET enable_indexonlyscan=off; ALTER DATABASE {db} SET enable_indexscan=off;ALTER DATABASE {db} SET enable_hashagg=off"],
 "search_path_first": ["ALTER DATABASE {db} SET search_path = public, pg_catalog; CREATE FUNCTION public.count(text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION public.coalesce_(text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION public.min_(text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION public.btrim(text,text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::text$$"],
 "unlogged": ['ALTER TABLE "LlamaLog" SET UNLOGGED'],
 "identity": ['ALTER TABLE "LlamaLog" ADD n int GENERATED ALWAYS AS IDENTITY; ALTER TABLE "LlamaLog" ADD g text GENERATED ALWAYS AS (job_id || \'x\') STORED'],
 "cluster": ['ALTER TABLE "LlamaLog" CLUSTER ON "LlamaLog_pkey"', 'ALTER TABLE "LlamaLog" SET (fillfactor=50)', 'ALTER TABLE "LlamaLog" REPLICA IDENTITY FULL'],
 "fks to it": ['CREATE TABLE other (log uuid REFERENCES "LlamaLog" DEFERRABLE INITIALLY DEFERRED)', 'ALTER TABLE "LlamaLog" ADD CONSTRAINT u UNIQUE (id, job_id) DEFERRABLE INITIALLY DEFERRED'],
 "self fk": ['ALTER TABLE "LlamaLog" ADD COLUMN prev uuid REFERENCES "LlamaLog"(id) DEFERRABLE INITIALLY DEFERRED'],
 "exclusion": ['ALTER TABLE "LlamaLog" ADD EXCLUDE USING btree (id WITH =) DEFERRABLE INITIALLY DEFERRED'],
 "rowsec owner": ['ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY; ALTER TABLE "LlamaLog" FORCE ROW LEVEL SECURITY; CREATE POLICY p ON "LlamaLog" USING (false)'],
 "timeouts": ["ALTER DATABASE {db} SET statement_timeout='1ms'"],
 "ro": ["ALTER DATABASE {db} SET default_transaction_deferrable=on"],
 "sqlascii": ["ALTER DATABASE {db} SET client_encoding='SQL_ASCII'"],
 "plpgsql var conflict": ["ALTER DATABASE {db} SET plpgsql.variable_conflict='use_column'"],
 "check function bodies": ["ALTER DATABASE {db} SET check_function_bodies=off; ALTER DATABASE {db} SET default_table_access_method=heap; ALTER DATABASE {db} SET session_replication_role=replica"],
 "temp_tablespace": ["ALTER DATABASE {db} SET xmloption=document; ALTER DATABASE {db} SET transform_null_equals=on; ALTER DATABASE {db} SET array_nulls=off"],
}
@pytest.mark.parametrize("strategy", ["update", "rewrite", "sql"])
@pytest.mark.parametrize("name", SETUPS)
def test_x(connection, insert, database, name, strategy, psql):
    insert(dated_rows())
    for s in SETUPS[name]:
        for part in s.replace("{db}", connection.info.dbname).split("; ") if "{db}" in s else [s]:
            connection.execute(part.encode())
    extra = ["--schema","public","--table","LlamaLog"] 
    dry = run_here("migrate","--dry-run","--format","json","--dsn",database,*extra)
    print(dry.err); assert dry.code==0
    assert json.loads(dry.out)["counts"]["filled"]==11
    if strategy == "sql":
        text=run_here("sql","--dsn",database,*extra); assert text.code==0, text.err
        d=subprocess.run([psql,"-X","-q","-d",database,"-f","-"],input=text.out,capture_output=True,text=True)
        assert (d.returncode,d.stderr)==(0,"")
    else:
        done = migrate_here(database, "--strategy", strategy,*extra)
        print(done.err); assert done.code == 0
    with psycopg.connect(database, options="-cstatement_timeout=0 -csearch_path=public") as c:
        assert dict(c.execute(ROOTS).fetchall()) == expected_roots()
    v = run_here("verify","--grace","0","--dsn",database,*extra)
    print(v.out, v.err); assert v.code==0
