# One set of messages, many orders: the database ends the same (R2, R4).
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $orders = $ENV{WEARABLES_ORDERS} // 30;
seeded();

my $node = make_node('order', "wearables_ingest.databases = ''", 'wearables_ingest.retry_base = 0', 'wearables_ingest.chunk_rows = 100');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE pattern');
install($node, 'pattern', 'anna', 'ben');

my $now = time - time % 60;
my $base_ms = ($now - 7200) * 1000;

sub pick { return $_[ rand @_ ]; }

# A narrow world, so that messages meet: few people, instants, sources, nights, and times of origin.
my @people = qw(anna ben late);
my @instants = map { $now - 86400 + 60 * $_ } 0 .. 11;
my @wake_times = map { rfc3339($now - 86400 * 2 + 1800 * $_) } 0 .. 2;
my $salt = 0;
sub next_id { return message_id($base_ms + 4 * int(rand 60), $salt++); }

sub readings
{
	my @samples = map { [ pick(@instants), pick(40 .. 70, (5, undef) x 3) ] } 1 .. 1 + rand 6;
	return samples_event(pick(@people), pick('heartrate', 'hrv'), @{ pick([ 'garmin', 'watch' ], [ 'garmin', 'phone' ], [ 'apple_health_kit', 'watch' ]) }, @samples);
}

sub night
{
	my $document = { id => 'night-' . pick(1 .. 3), bedtime_stop => pick(@wake_times) };
	for my $field (qw(hr_lowest hr_average average_hrv respiratory_rate))
	{
		$document->{$field} = pick(undef, 40 .. 70) if rand() < 0.7;
	}
	# the document's own time decides where it has one
	$document->{updated_at} = rfc3339($now - 7200 + pick(-600, 0, 0, 600)) if rand() < 0.5;
	return document_event(pick(@people), 'sleep', @{ pick([ 'oura', 'ring' ], [ 'oura', 'ring' ], [ 'garmin', 'watch' ]) }, $document);
}

sub connection
{
	my ($action, $error) = @{ pick([ 'created', undef ], [ 'error', 'token_refresh_failed' ], [ 'error', 'user_not_found' ]) };
	return connection_event(pick(@people), $action, pick('garmin', 'oura'), $error);
}

my @messages = map { [ next_id(), $_ ] } (map { readings() } 1 .. 60), (map { night() } 1 .. 40), (map { connection() } 1 .. 20),
  'no JSON', to_json({ event_type => 'labtest.order.created', user_id => 'ext-anna', data => {} });
my %born = map { $_->[0] => substr($_->[0], 0, 11) } @messages;

# What must not depend on the order: names instead of the ids that a database gave.
my %digests = (
	samples => q{SELECT u.client_user_id, s.metric, extract(epoch FROM s.ts)::bigint, s.provider, s.source_type, s.channel, s.value, s.value_secondary, s.ts_end, s.tz_offset, s.day, s.version, s.part
		FROM wearables.samples s JOIN wearables.users u USING (user_id) ORDER BY 1, 2, 3, 4, 5, 6, s.part},
	summaries => q{SELECT u.client_user_id, d.resource, d.summary_id, d.version, o.provider, o.source_type, extract(epoch FROM d.first_ts), extract(epoch FROM d.last_ts), d.doc,
		(SELECT string_agg(concat_ws('/', m.name, extract(epoch FROM c.ts)::bigint, p.provider, p.source_type, p.channel, c.value), ' ' ORDER BY m.name)
		 FROM unnest(d.samples) c JOIN wearables.metrics m USING (metric_id) JOIN wearables.sources p ON p.source_id = c.source_id)
		FROM wearables.summaries d JOIN wearables.users u USING (user_id) JOIN wearables.sources o ON o.source_id = d.source_id ORDER BY 1, 2, 3},
	connections => q{SELECT u.client_user_id, c.provider, c.status, c.error_type, extract(epoch FROM c.connected_at), extract(epoch FROM c.last_data_at), c.version
		FROM wearables.connections c JOIN wearables.users u USING (user_id) ORDER BY 1, 2},
	ledger => q{SELECT e.message_id, u.client_user_id, l.provider, l.kind, l.error_type, extract(epoch FROM l.at), l.version
		FROM wearables.connection_events l JOIN wearables.users u USING (user_id) JOIN wearables.webhook_events e USING (event_id) ORDER BY 1},
	quarantine => q{SELECT e.message_id, q.ordinal, q.pointer, q.reason, q.metric, q.detail FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) ORDER BY 1, 2},
	events => q{SELECT e.message_id, e.version, e.status, e.note, e.error, e.inserted + e.changed + e.confirmed + e.unchanged + e.stale + e.quarantined
		FROM wearables.webhook_events e ORDER BY 1},
	jobs => q{SELECT e.message_id, j.state FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id) ORDER BY 1});

my $made = 0;

sub new_database
{
	my $database = 'run' . ++$made;
	run_sql($node, 'postgres', "CREATE DATABASE $database TEMPLATE pattern");
	return $database;
}

sub drain
{
	my ($database, $sessions) = @_;
	my @psql = ($node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-c', 'CALL wearables.drain()');
	my @runs = map { my $err = ''; { run => IPC::Run::start(\@psql, '<', \undef, '>', '/dev/null', '2>', \$err), err => \$err } } 1 .. $sessions;
	for my $run (@runs)
	{
		$run->{run}->finish or die "drain: ${ $run->{err} }";
	}
	return;
}

# Delivers the steps (statements) and drains now and then, in several sessions at once.
sub live_through
{
	my ($database, $sessions, $parts, @steps) = @_;
	for my $part (1 .. $parts)
	{
		run_sql($node, $database, join '', splice @steps, 0, @steps / ($parts - $part + 1));
		drain($database, $sessions);
	}
	# a drain gives back what waits for a name that another one is making: that is due again at once
	drain($database, 1) while run_sql($node, $database, q{SELECT count(*) FROM wearables.jobs WHERE state = 'ready'});
	my %state = map { $_ => run_sql($node, $database, $digests{$_}) } keys %digests;
	run_sql($node, 'postgres', "DROP DATABASE $database");
	return \%state;
}

my $register = "SELECT wearables.register_user('late', 'ext-late');\n";
my @in_order = map { receive_sql(@$_) } sort { $born{ $a->[0] } cmp $born{ $b->[0] } } @messages;
my $expected = live_through(new_database(), 1, 1, $register, @in_order);
note scalar(() = $expected->{$_} =~ /^./mg) . " rows of $_" for sort keys %$expected;
like($expected->{events}, qr/\|$_\|/, "some events are $_") for qw(processed failed skipped);
unlike($expected->{events}, qr/\|(parked|received)\|/, 'none is parked or waits');
cmp_ok(scalar(() = $expected->{summaries} =~ /^./mg), '>', 5, 'there are documents');
is($expected->{jobs} =~ s/^.*\|//r, 'failed', 'the one job that is left is the dead letter');

for my $n (1 .. $orders)
{
	# some messages come twice or three times, as they do
	my @steps = shuffled($register, map { my $sql = receive_sql(@$_); ($sql) x pick(1, 1, 1, 2, 3) } @messages);
	my ($sessions, $parts) = (1 + $n % 3, pick(1 .. 4));
	my $state = live_through(new_database(), $sessions, $parts, @steps);
	my @different = grep { $state->{$_} ne $expected->{$_} } sort keys %$expected;
	is_deeply(\@different, [], "order $n, $sessions drains at once, $parts times: the same") or do
	{
		for my $what (@different)
		{
			my %in_order = map { $_ => 1 } split /\n/, $expected->{$what};
			my %now = map { $_ => 1 } split /\n/, $state->{$what};
			diag "$what, in order: $_" for grep { !$now{$_} } sort keys %in_order;
			diag "$what, here: $_" for grep { !$in_order{$_} } sort keys %now;
		}
	};
}
$node->stop;
done_testing();
