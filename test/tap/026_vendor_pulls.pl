# The vendor's own pulls of history: it is asked about connections of which nothing was heard, and no others; what has failed there is a
# problem, and what may succeed another time is triggered again, once a day.
use strict;
use warnings FATAL => 'all';
use Encode ();
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $junction = Junction->start(seed => 7, days => 3, until => '2025-06-01', people => 1, page_size => 200, clock => '2025-07-01T00:00:00Z');
my $node = make_node('vendor_pulls', "wearables_ingest.databases = ''", 'wearables_ingest.allow_loopback_http = on');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
my $url = $junction->plain_url;
sub sql { return run_sql($node, 'app', $_[0]); }
sql("SELECT wearables.add_endpoint('junction', base_url => '$url'), wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction')");
my %user = map { $_ => sql("SELECT wearables.register_user('$_', '$_-at-junction')") } qw(alice carol dave);

# Connected two hours ago
sub connected { my ($who, $provider, $ago) = @_; sql("SELECT wearables.set_connection($user{$who}, '$provider', 'connected', 'user', at => now() - interval '@{[ $ago // '2 hours' ]}')"); return; }
sub check { return sql('SELECT wearables.check_vendor_pulls(); CALL wearables.drain()'); }
sub introspected { return join ' ', sort map { $_->{path} =~ /introspect.*user_id=(\w+)/ ? $1 : () } $junction->requests; }
sub pulls { return sql(q{SELECT string_agg(concat_ws(' ', provider, resource, failed, error_code, retriable, retriggered_at IS NOT NULL), ', ' ORDER BY provider, resource) FROM wearables.vendor_pulls}); }
sub triggered { return join ' ', map { $_->{body} } grep { $_->{path} =~ /bulk_trigger/ } $junction->requests; }
sub problems { return sql(q{SELECT string_agg(what || '; ' || remedy, ' / ' ORDER BY what) FROM wearables.problems WHERE problem = 'vendor_pull_failed'}); }
# Each connection is asked about once in six hours, triggered once a day
sub later { my ($hours) = @_; sql("UPDATE wearables_internal.calls SET finished_at = finished_at - interval '$hours hours'; UPDATE wearables.vendor_pulls SET retriggered_at = retriggered_at - interval '$hours hours'"); return; }
sub failing
{
	my @failing = @_;
	$junction->control(pulls => [ map { { user_id => "$_->[0]-at-junction", provider => $_->[1], resource => $_->[2], is => { status => $_->[3], error_details => $_->[4] } } } @failing ], reset => JSON::PP::true());
	return;
}

is(check(), 0, 'without a connection nothing is asked');
connected('alice', 'oura', '10 minutes');
connected('dave', 'oura', '40 days');
is(check(), 0, 'nor of one that was made this moment, or long ago');
connected('alice', 'garmin');
connected('carol', 'fitbit');
# what the vendor has announced
sql("SELECT wearables_internal.ask_for_history($user{carol}, 'junction', 'carol-at-junction', 'fitbit', 'steps', '2025-05-01', '2025-05-02', 'notice', NULL, 'infinity')");
failing([ 'alice', 'garmin', 'steps', 'failure', 'provider_unavailable' ], [ 'alice', 'garmin', 'sleep', 'failure', { error_type => 'non_retriable_error', error_message => 'the account is closed' } ], [ 'alice', 'garmin', 'hrv', 'in_progress', undef ],
	[ 'alice', 'nowhere', 'steps', 'failure', 'provider_unavailable' ]);
is(check(), 1, 'of a connection of which nothing was heard it is asked');
is(introspected(), 'alice', 'and of no other');
is(pulls(), 'garmin sleep t non_retriable_error f f, garmin steps t provider_unavailable t t', 'what has failed at the vendor is known');
is(problems(), q{the vendor could not pull the history of provider garmin for 1 connection(s) at endpoint junction: non_retriable_error; ask the vendor, or ask the users to connect again / }
	. q{the vendor could not pull the history of provider garmin for 1 connection(s) at endpoint junction: provider_unavailable; nothing: the vendor is asked to pull again once a day}, 'and a problem');
is(triggered(), '{"user_ids":["alice-at-junction"],"provider":"garmin"}', 'what may succeed another time is triggered again');
is(check(), 0, 'asked again at once, nothing is asked');
later(7);
is(check(), 1, 'six hours later it is asked again');
is(triggered(), '{"user_ids":["alice-at-junction"],"provider":"garmin"}', 'and not triggered a second time');
failing([ 'alice', 'garmin', 'steps', 'retrying', 'provider_unavailable' ], [ 'alice', 'garmin', 'sleep', 'success', undef ]);
later(7);
check();
is(pulls(), 'garmin steps f provider_unavailable t t', 'what has succeeded is forgotten, what is under way is no problem');
is(problems(), '', 'for now');
failing([ 'alice', 'garmin', 'steps', 'failure', 'transport_failure' ]);
later(7);
check();
is(triggered(), '', 'failed again the same day it is not triggered again');
later(7);
check();
is(triggered(), '{"user_ids":["alice-at-junction"],"provider":"garmin"}', 'but on the next');

# The history comes: nothing is asked any more
failing();
later(7);
check();
is(pulls(), '', 'when it has succeeded it is over');
later(7);
is(check(), 1, 'and asked once more, as nothing has come yet');
sql("SELECT wearables.request_backfill($user{alice}, 'garmin', 'heartrate', '2025-05-29', '2025-06-01'); CALL wearables.drain()");
later(7);
is(check(), 0, 'until a page holds a reading');

# What the vendor may say instead
connected('carol', 'polar');
for my $details ([ undef, '' ], [ [ 1, 2 ], '' ], [ { type => 'resource_contention' }, 'resource_contention' ], [ { error_type => [ 'x' ] }, '["x"]' ], [ 'x' x 1000, 'x' x 200 ], [ "a\x{0}b", "a\x{fffd}b" ])
{
	failing([ 'carol', 'polar', 'steps', 'failure', $details->[0] ]);
	later(25);
	check();
	is(sql(q{SELECT coalesce(error_code, '') FROM wearables.vendor_pulls}), Encode::encode('UTF-8', $details->[1]), 'why: ' . to_json([ $details->[0] ]) =~ s/x{100,}/x.../r);
}
for my $rule ([ json => 'garbage' ], [ json => 'nan' ], [ types => 'list' ], [ types => 'null' ], [ types => 'groups' ])
{
	$junction->control(rules => [ { do => $rule->[0], form => $rule->[1], match => 'introspect', times => 1 } ], reset => JSON::PP::true());
	later(25);
	check();
	sql(q{UPDATE wearables.jobs SET run_at = now(); UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0; CALL wearables.drain()});
	is(sql(q{SELECT count(*) FROM wearables.jobs WHERE kind = 'call'}), 0, "@$rule: it is asked again, or holds nothing");
}
$junction->misbehave;
sql("SELECT wearables.set_connection($user{carol}, 'polar', 'disconnected', 'user')");
check();
is(pulls(), '', 'who has disconnected has no problem');

# At most 100 an endpoint at a time, and never where it is switched off
sql(q{SELECT wearables.set_connection(wearables.register_user('many ' || n, 'many-' || n), 'oura', 'connected', 'user', at => now() - interval '2 hours') FROM generate_series(1, 130) n});
$junction->control(reset => JSON::PP::true());
is(sql('SELECT wearables.check_vendor_pulls()'), 100, 'of many connections a hundred are asked about');
is(sql('SELECT wearables.check_vendor_pulls()'), 30, 'the next time the others');
is(sql('SELECT wearables.check_vendor_pulls()'), 0, 'and each once');
is(sql(q{SELECT min(priority) FROM wearables.jobs WHERE kind = 'call'}), 5, 'after what somebody waits for');
sql('DELETE FROM wearables.jobs; DELETE FROM wearables_internal.calls');
$node->append_conf('postgresql.conf', "wearables_ingest.pull_state_interval = 0");
$node->reload;
is($node->poll_query_until('app', 'SELECT wearables.check_vendor_pulls() = 0') && check(), 0, 'switched off: nothing is asked');

# By a worker
sql('DELETE FROM wearables_internal.calls; DELETE FROM wearables.jobs');
$node->append_conf('postgresql.conf', "wearables_ingest.pull_state_interval = '6h'\nwearables_ingest.databases = 'app'");
$node->reload;
wait_until($node, 'app', q{SELECT count(*) >= 100 FROM wearables.outbound_calls WHERE operation = 'read_pull_state' AND state = 'failed'}, 'a worker asks by itself');
like(sql(q{SELECT min(error) FROM wearables.outbound_calls WHERE operation = 'read_pull_state'}), qr/^the vendor responded with status 404: User not found$/, 'and the vendor does not know them');

$node->stop;
$junction->stop;
done_testing();
