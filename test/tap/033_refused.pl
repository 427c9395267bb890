# A vendor that refuses a key, or one pull: who is stopped takes turns, and what is refused for itself ends with the vendor's words and
# stops nobody else. Time is not waited for: jobs are made due where a clock would.
use strict;
use warnings FATAL => 'all';
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $junction = Junction->start(seed => 9, days => 20, until => '2025-06-01', people => 1, page_size => 200, clock => '2025-07-01T00:00:00Z');
my $node = make_node('refused', "wearables_ingest.databases = ''", 'wearables_ingest.allow_loopback_http = on');
$node->start;
install($node, 'postgres');
sub sql { return run_sql($node, 'postgres', "SET client_min_messages = warning; $_[0]"); }
my $url = $junction->plain_url;
sql("SELECT wearables.add_endpoint('junction', base_url => '$url'), wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction')");
my $alice = sql(q{SELECT wearables.register_user('alice', 'alice-at-junction')});

my $day = 0;
sub request { my ($resource) = @_; return sql("SELECT wearables.request_backfill($alice, '', '$resource', date '2025-05-20' - @{[ $day++ ]}, '2025-05-22')"); }
sub backfill { my ($id) = @_; return sql("SELECT state || ' ' || coalesce(error, '-') FROM wearables.backfills WHERE backfill_id = $id"); }
# In how many seconds a pull, or a call, is due.
sub due { my ($id) = @_; return sql("SELECT round(extract(epoch FROM run_at - now()), 1) FROM wearables.jobs WHERE $id IN (job_id, (argument->>'backfill_id')::bigint)"); }
# So much time passes, for the endpoint; and these jobs are due.
sub later
{
	my ($seconds, @ids) = @_;
	sql("UPDATE wearables_internal.refused_keys SET checked_at = checked_at - interval '$seconds s'");
	sql("UPDATE wearables.jobs SET run_at = now() WHERE @{[ join ' OR ', map { qq{$_ IN (job_id, (argument->>'backfill_id')::bigint)} } @ids ]}");
	sql('CALL wearables.drain()');
	return;
}
sub stopped { return sql(q{SELECT count(*) FROM wearables_internal.refused_keys}); }
my $words = qr/^failed the vendor responded with status 403: not in your plan$/;

# One resource is not in the plan. Nobody knows yet what the refusal is about.
sub forbid { return $junction->misbehave(match => $_[0], do => 'status', status => 403, detail => 'not in your plan'); }
forbid('body_weight');
my $weight = request('weight');
sql('CALL wearables.drain()');
like(backfill($weight), qr/^waiting the vendor responded with status 403/, 'a pull that is refused waits');
is(stopped(), 1, 'and the endpoint is stopped');
cmp_ok(due($weight), '>=', 69, 'it asks again after all others');  # was: after 60 s, as the others
sql('SELECT pg_sleep(2)');
my $steps = request('steps');
my $link = sql("SELECT wearables.link_url($alice, 'fitbit', endpoint => 'junction')");
sql('CALL wearables.drain()');
cmp_ok(due($_), '<', due($weight), 'who waits is due before it') for $steps, $link;  # was: 60 s from now, when it had just been refused again
is(scalar($junction->requests), 1, 'only one request was made');

# A minute later: both are due, and one asks. Its answer is good, so the key is.
later(60, $steps);
like(backfill($steps), qr/^done -$/, 'another pull is answered');
is(stopped(), 0, 'which ends the stop');
later(0, $link);
is(sql("SELECT state FROM wearables.outbound_calls WHERE job_id = $link"), 'done', 'a call is made');
later(0, $weight);
like(backfill($weight), $words, 'the refusal is of that pull alone, which says why');  # was: waited, and stopped all again
is(stopped(), 0, 'and nobody is stopped');

# The next such pull stops nobody, while the key is known to be good
my $again = request('weight');
sql('CALL wearables.drain()');
like(backfill($again), qr/^waiting the vendor/, 'another one waits for its second refusal');
is(stopped(), 0, 'without a stop of the endpoint');
sql(q{UPDATE wearables_internal.proven_keys SET good_at = good_at - interval '11 s'});
like(do { my $id = request('steps'); sql('CALL wearables.drain()'); backfill($id) }, qr/^done/, 'others go on');
later(0, $again);
like(backfill($again), $words, 'and then it fails');
forbid('link');
my $call = sql("SELECT wearables.link_url($alice, 'oura', endpoint => 'junction')");
sql('CALL wearables.drain()');
like(sql("SELECT state || ' ' || error FROM wearables.outbound_calls WHERE job_id = $call"), $words, 'so does a call, at once: somebody waits');

# What was good long ago says nothing of today
forbid('v2');
sql(q{UPDATE wearables_internal.proven_keys SET good_at = good_at - interval '1 hour'});
my @all = map { my $id = request($_); sql('CALL wearables.drain()'); $id } qw(steps heartrate);
is(stopped(), 1, 'a key that is forbidden everything stops the endpoint');
is(scalar($junction->requests), 1, 'after one request');
later(60, @all);
is(scalar($junction->requests), 2, 'a minute later one of two that are due asks');  # was: both
like(backfill($_), qr/^waiting/, 'and none is given up') for @all;
later(0, @all);
is(scalar($junction->requests), 2, 'within the minute nobody does');

# 401 is about the key, whatever was good before
$junction->control(rules => []);
later(60, @all);
later(0, @all);
like(backfill($_), qr/^done/, 'the key is taken again, and all goes on') for @all;
$junction->control(keys => { junction => ['another'] }, reset => JSON::PP::true());
my $key = request('steps');
sql('CALL wearables.drain()');
is(stopped(), 1, 'a key that is refused stops the endpoint at once');
later(60, $key);
like(backfill($key), qr/^waiting .*status 401/, 'and its pulls wait');
sql(q{SELECT wearables.set_secret('junction', 'api_key', 0, 'another')});
is(sql('SELECT count(*) FROM wearables_internal.proven_keys'), 0, 'what was said of the former key is forgotten');
sql('CALL wearables.drain()');
like(backfill($key), qr/^done/, 'and the new one is used');

# Whatever has the id of a page, the page is stored
my $next = 1 + sql('SELECT max(backfill_id) FROM wearables.backfills');
sql("INSERT INTO wearables.deliveries SELECT 'junction', 'pull:$next:1', event_id, received_at, received_at FROM wearables.webhook_events LIMIT 1");
my $taken = request('steps');
is($taken, $next, 'a pull whose first page has its id taken');
sql('CALL wearables.drain()');
is(sql("SELECT state || ' ' || (pages - count(*)) FROM wearables.backfills b, wearables.webhook_events e WHERE backfill_id = $taken AND e.message_id LIKE 'pull:$taken:%' GROUP BY state, pages"), 'done 0', 'has all its pages');  # was: the first was taken for a duplicate

$node->stop;
$junction->stop;
done_testing();
