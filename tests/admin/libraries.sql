-- May be empty: libraries of functions; there are none.
SELECT l.name, l.owner FROM pg_library l
