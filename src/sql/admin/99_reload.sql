-- A PostgREST that runs already looks for functions once, and again when it is told to; nobody else listens.
NOTIFY pgrst, 'reload schema';
