-- One line for what readers see, by name and not by number, so that databases can be compared;
-- one line for the very rows, which changes when anything is written, be it the same again.
SELECT 'samples ' || count(*) || ' ' || md5(string_agg(concat_ws(' ', u.client_user_id, s.metric, extract(epoch FROM s.ts), s.day, s.provider,
         s.source_type, s.channel, s.value, s.value_secondary, s.tz_offset, s.version), E'\n'
         ORDER BY u.client_user_id, s.metric, s.ts, s.provider, s.source_type, s.channel, s.part))
FROM wearables.samples s JOIN wearables.users u USING (user_id);
SELECT 'summaries ' || count(*) || ' ' || md5(string_agg(concat_ws(' ', u.client_user_id, d.resource, d.version, d.doc), E'\n'
         ORDER BY u.client_user_id, d.resource, d.summary_id))
FROM wearables.summaries d JOIN wearables.users u USING (user_id);
SELECT 'connections ' || count(*) || ' ' || md5(string_agg(concat_ws(' ', u.client_user_id, c.provider, c.status, c.error_type,
         extract(epoch FROM c.connected_at), extract(epoch FROM c.last_data_at), c.version), E'\n' ORDER BY u.client_user_id, c.provider))
FROM wearables.connections c JOIN wearables.users u USING (user_id);
\if :rows
SELECT 'rows ' || md5((SELECT string_agg(p.xmin || ' ' || p.ctid, ' ' ORDER BY p.ctid) FROM wearables.sample_points p)
                   || (SELECT string_agg(d.xmin || ' ' || d.ctid, ' ' ORDER BY d.ctid) FROM wearables.summaries d)
                   || (SELECT string_agg(c.xmin || ' ' || c.ctid, ' ' ORDER BY c.ctid) FROM wearables.connections c));
\endif
