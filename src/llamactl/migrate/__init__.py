"""The migration in one transaction, its dry run, and its SQL script."""
