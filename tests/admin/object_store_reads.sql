-- May be empty: what COPY read from object stores; the files of this warehouse are local.
SELECT s.query, trim(s.bucket) AS bucket, trim(s.key) AS key, s.data_size, s.transfer_time
FROM stl_s3client s
JOIN stl_query q ON q.query = s.query
