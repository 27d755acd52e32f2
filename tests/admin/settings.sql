-- Settings of the server.
SELECT c.name, c.value, s.setting IS NULL OR c.value = s.setting AS ok
FROM pg_conf c LEFT JOIN pg_settings s ON s.name = c.name
WHERE c.name = 'search_path'
