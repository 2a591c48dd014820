"""The rows of the table, one group a file. Each measures ours and its floor in the same process, or in processes started in turn."""
