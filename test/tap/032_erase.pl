# A person is erased while workers, replays and deliveries go on, over a crash in the middle, and nothing that was
# planted of them is found in a dump afterwards. A restored dump still knows who was erased.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Wearables;

my $kEvents = 600;     # of the person, more than one batch of the erasure
my $person = 'planted-person';
my @others = map { "u$_" } 0 .. 3;
my $first_ts = (time - 86400 * 3) - (time % 60);
my $first_ms = (time - 7200) * 1000;
# what must be found nowhere: ids, a value, a name in a document, an id at the provider, a field that no row knows
my @planted = ($person, "ext-$person", '61.5234375', 'planted-night', 'planted-at-provider', 'planted_field', 'planted words');

my $node = make_node('erase', 'restart_after_crash = on', "wearables_ingest.databases = ''", 'wearables_ingest.retry_base = 0');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', $person, @others);

my $made = 0;
sub next_id { $made++; return message_id($first_ms + $made * 8, $made) }

sub beats
{
	my ($user) = @_;
	my $value = $user eq $person ? 61.5234375 : 70;
	return samples_event($user, 'heartrate', 'garmin', 'watch', map { [ $first_ts + ($made * 3 + $_) * 60, $value ] } 1 .. 3);
}

sub of_person
{
	return join '',
	  (map { receive_sql(next_id(), beats($person)) } 1 .. $kEvents),
	  receive_sql(next_id(), document_event($person, 'sleep', 'oura', 'ring',
		{ id => 'planted-night', bedtime_stop => rfc3339($first_ts), hr_lowest => 48, planted_field => 'planted words' })),
	  receive_sql(next_id(), connection_event($person, 'created', 'oura') =~ s/"logo":""/"logo":"","provider_user_id":"planted-at-provider"/r),
	  receive_sql(next_id(), connection_event($person, 'error', 'oura', 'planted words')),
	  receive_sql(next_id(), samples_event($person, 'no_such_resource', 'garmin', 'watch')),
	  receive_sql(next_id(), samples_event($person, 'heartrate', 'garmin', 'watch', [ $first_ts, -7 ])),
	  # cut off: no user can be read
	  receive_sql(next_id(), substr(beats($person), 0, -5));
}

run_sql($node, 'app', of_person() . join '', map { my $user = $_; map { receive_sql(next_id(), beats($user)) } 1 .. 50 } @others);
run_sql($node, 'app', 'CALL wearables.drain()');
my $others_before = run_sql($node, 'app', q{SELECT count(*), sum(value) FROM wearables.sample_points p JOIN wearables.users u USING (user_id) WHERE u.client_user_id ~ '^u'});
my $id = run_sql($node, 'app', "SELECT user_id FROM wearables.users WHERE client_user_id = '$person'");
cmp_ok(run_sql($node, 'app', "SELECT count(*) FROM wearables.verify_erasure('$person', '{ext-$person}')"), '>', 8, 'the person is found in many places');

# --- A crash in the middle

run_sql($node, 'app', "SELECT wearables.erase_user($id)");
is(run_sql($node, 'app', "SELECT count(*) FROM wearables.samples WHERE user_id = $id"), '0', 'from the commit on no sample is shown');
is(run_sql($node, 'app', "SELECT count(*) > 0 FROM wearables.sample_points WHERE user_id = $id"), 't', '... though nothing is deleted yet');
for my $skip (0, 1)
{
	my $restarts = restart_count($node);
	$node->psql('app', "SET wearables_ingest.stop_point = 'erased some:kill:$skip'; CALL wearables.drain()");
	ok($node->poll_query_until('postgres', 'SELECT 1', '1'), 'the server comes back');
	is(restart_count($node), $restarts + 1, 'it was killed in the middle of a batch');
	is(run_sql($node, 'app', 'SELECT finished_at IS NULL FROM wearables.erasures'), 't', 'the erasure is not finished');
}
is(run_sql($node, 'app', "SELECT count(*) FROM wearables.samples WHERE user_id = $id"), '0', 'still no sample is shown');

# --- Under load: two workers, deliveries of everybody, replays of everything

$node->append_conf('postgresql.conf', "wearables_ingest.databases = 'app'\nwearables_ingest.workers = 2");
$node->restart;
my @load;
for my $n (0 .. 1)
{
	my $script = "$PostgreSQL::Test::Utils::tmp_check/load$n.sql";
	append_to_file($script, join '', map { receive_sql(next_id(), beats($_ % 3 ? $others[ $_ % @others ] : $person)) } 1 .. 400);
	push @load, $script;
}
my $replays = "$PostgreSQL::Test::Utils::tmp_check/replays.sql";
append_to_file($replays, "SELECT (wearables.replay(event_id)).events FROM (SELECT event_id FROM wearables.webhook_events ORDER BY random() LIMIT 50) e;\n" x 40);
my @runs = map {
	my $script = $_;
	my ($out, $err) = ('', '');
	IPC::Run::start([ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('app'), '-f', $script ], '<', '/dev/null', '>', \$out, '2>', \$err);
} @load, $replays;
wait_until($node, 'app', 'SELECT finished_at IS NOT NULL FROM wearables.erasures', 'the workers finish the erasure');
$_->finish for @runs;
queue_is_empty($node, 'app');
is(run_sql($node, 'app', 'SELECT step, error IS NULL FROM wearables.erasures'), 'done|t', 'it is done');
# whose the body is that is cut off, nobody can know: those are kept for a short time only
is(run_sql($node, 'app', "SELECT * FROM wearables.verify_erasure('$person', '{ext-$person}')"), 'wearables.webhook_events|payload|1',
	'all that is left is the body that is cut off');
is(run_sql($node, 'app', "SELECT wearables.delete_unassignable_events('1 microsecond')"), '1', 'which is deleted with its age');
is(run_sql($node, 'app', "SELECT * FROM wearables.verify_erasure('$person', '{ext-$person}')"), '', 'nothing of the person is left');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.jobs WHERE state = 'failed'}), '0', 'and no dead letter');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE status NOT IN ('processed')}), '0', 'every event of the others is processed');
is(deliver($node, 'app', next_id(), beats($person)), 'erased', 'a late event is acknowledged and not stored');
cmp_ok(run_sql($node, 'app', q{SELECT count(*) FROM wearables.sample_points p JOIN wearables.users u USING (user_id) WHERE u.client_user_id ~ '^u'}),
	'>=', (split /\|/, $others_before)[0], 'the others keep what they have');

# --- What a dump holds

my $dump = "$PostgreSQL::Test::Utils::tmp_check/all.sql";
$node->command_ok([ $node->installed_command('pg_dumpall'), '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump is taken');
my $text = slurp_file($dump);
for my $plant (@planted)
{
	my $hex = unpack 'H*', $plant;
	ok(index($text, $plant) < 0 && index(lc $text, $hex) < 0, "the dump does not hold $plant");
}
my $of_other = unpack 'H*', '"ext-u1"';
ok(index($text, $of_other) >= 0, 'what is searched like this would be found');

# --- A restored dump knows who was erased

$node->safe_psql('postgres', 'CREATE DATABASE copy');
my $copy = "$PostgreSQL::Test::Utils::tmp_check/copy.sql";
$node->command_ok([ $node->installed_command('pg_dump'), '-d', $node->connstr('app'), '-f', $copy ], 'the database is dumped');
$node->command_ok([ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $copy ], 'and restored');
run_sql($node, 'copy', "SELECT wearables.set_secret('junction', 'webhook', 0, " . literal(secret()) . ')');
is(deliver($node, 'copy', next_id(), beats($person)), 'erased', 'it does not take an event of the person');
like(as_role($node, 'copy', $node->connstr('copy') =~ /user=(\S+)/ ? $1 : scalar getpwuid($<), "SELECT wearables.register_user('$person')")->{err}, qr/the user was erased/, 'nor a registration');
run_sql($node, 'copy', "SELECT wearables.register_user('$person', 'ext-$person', again => true)");
is(deliver($node, 'copy', next_id(), beats($person)), 'erased', 'registered again, an event of before is not stored');
is(deliver($node, 'copy', message_id((time + 5) * 1000, 'new'), beats($person)), 'accepted', 'one of after is');

$node->stop;
done_testing();
