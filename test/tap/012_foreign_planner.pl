# The fast writer is for a table that the planner itself would write with a plain ModifyTable. A table that another
# extension's planner writes, or that has children or is one, takes the SQL form: else its rows would lie where no SELECT
# of that extension finds them.
use strict;
use warnings FATAL => 'all';
use File::Basename qw(dirname);
use File::Spec ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('foreign', "wearables_ingest.databases = ''");
$node->start;
install($node, 'postgres', 'alice');

my $library = File::Spec->rel2abs("$PostgreSQL::Test::Utils::tmp_check/foreign_planner.so");
my ($out, $err) = run_command([ 'cc', '-shared', '-fPIC', '-w', '-I' . $node->config_data('--includedir-server'),
	dirname(__FILE__) . '/foreign/foreign_planner.c', '-o', $library ]);
ok(-f $library, 'a foreign planner is built') or diag($err);

my $now = time - time % 60 - 86400;
my $calls = 0;
# Sends ten readings and drains; returns what the planner said.
sub written
{
	my ($before) = @_;
	my $n = $calls++;
	my @samples = map { [ $now + 600 * $n + 60 * $_, 60 + $_ ] } 0 .. 9;
	my $session = as_role($node, 'postgres', 'postgres', join '', "LOAD '$library';\n", $before // '', "\n",
		receive_sql(message_id(($now + $n) * 1000, $n), samples_event('alice', 'heartrate', 'garmin', 'watch', @samples)), "CALL wearables.drain();\n");
	is_deeply($session->{states}, [], 'no error');
	return join ' ', $session->{err} =~ /(the executor|a foreign node) writes/g;
}
sub count_is
{
	my ($what) = @_;
	return is(run_sql($node, 'postgres', 'SELECT count(*) FROM wearables.samples'), 10 * $calls, $what);
}

is(written(), '', 'a plain table is written without the executor');
count_is('and its rows are there');
is(written('SET foreign_planner.stands_above = on;'), 'the executor a foreign node', 'where a foreign node stands above the write, it writes');
count_is('and the rows are there');
is(written(), '', 'in a session without it the fast way again');

# One session: the hook comes after the first write.
my $n = $calls++;
my $later = as_role($node, 'postgres', 'postgres', join '',
	receive_sql(message_id(($now + $n) * 1000, "$n a"), samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $now + 600 * $n + 60 * $_, 60 ] } 0 .. 4)), "CALL wearables.drain();\n",
	"LOAD '$library'; SET foreign_planner.stands_above = on;\n",
	receive_sql(message_id(($now + $n) * 1000, "$n b"), samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $now + 600 * $n + 60 * $_, 60 ] } 5 .. 9)), "CALL wearables.drain();\n");
is(join(' ', $later->{err} =~ /(the executor|a foreign node) writes/g), 'the executor a foreign node', 'a hook that is loaded after the first write is noticed');
count_is('the rows of both are there');

run_sql($node, 'postgres', 'CREATE TABLE public.child () INHERITS (wearables.sample_points)');
is(written(), 'the executor', 'a table with children takes the SQL form');
run_sql($node, 'postgres', 'DROP TABLE public.child');
is(written(), '', 'and without them the fast way again');
count_is('the rows are there');

# Partitioned by the site
run_sql($node, 'postgres', <<'SQL');
SET client_min_messages = error;
CREATE TABLE public.parted (LIKE wearables.sample_points INCLUDING ALL) PARTITION BY HASH (user_id);
CREATE TABLE public.part0 PARTITION OF public.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.part1 PARTITION OF public.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.parted SELECT * FROM wearables.sample_points;
ALTER TABLE wearables.sample_points SET SCHEMA public;
ALTER TABLE public.sample_points RENAME TO before_parting;
ALTER TABLE public.parted RENAME TO sample_points;
ALTER TABLE public.sample_points SET SCHEMA wearables;
SQL
is(written(), 'the executor', 'a partitioned table takes the SQL form');
is(run_sql($node, 'postgres', 'SELECT count(*) FROM wearables.sample_points'), 10 * $calls, 'and the rows are there');

$node->stop;
done_testing();
