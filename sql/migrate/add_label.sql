-- Adds the category of a row that links an existing entity. It can be used once the transaction has ended. Lock: none on the table.
ALTER TYPE "public"."LlamaLogCategory" ADD VALUE IF NOT EXISTS 'LINKED';
