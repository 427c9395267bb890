# What is refused at the door is seen in SQL, whoever counts it, and a flood of it costs nobody anything.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('refusals', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 1');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'alice');
my $calls = 0;
my $now = time - time % 60;
my $wrong = secret(1);

sub message { my $n = ++$calls; return (message_id(($now - 3600) * 1000 + 4 * $n, $n), samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now - 86400 + 60 * $n, 60 ])); }

sub refused_sql { my ($id, $body) = message(); return receive_sql($id, $body, secret => $wrong); }

my ($id, $body) = message();
is(deliver($node, 'app', $id, $body), 'accepted', 'a message is accepted');
wait_until($node, 'app', q{SELECT count = 1 AND last_at > now() - interval '1 minute' FROM wearables.endpoint_activity WHERE reason = 'accepted' AND endpoint = 'junction'},
	'the worker writes when it was');

# A flood of a wrong secret
my $seen = -s $node->logfile;
my $before = run_sql($node, 'app', q{SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'endpoint_activity'});
run_sql($node, 'app', join '', map { refused_sql() } 1 .. 500);
like(run_sql($node, 'app', 'SELECT verdict, reason FROM wearables.health'), qr/^warning\|500 deliveries were refused \(bad_signature\), endpoint junction last accepted one at .*, message msg_\w+; compare the secret/,
	'health knows at once, before anything is written');
wait_until($node, 'app', q{SELECT count = 500 AND streak = 500 FROM wearables.endpoint_activity WHERE reason = 'bad_signature'}, 'the worker writes what was counted');
my $lines = () = substr(slurp_file($node->logfile), $seen) =~ /refused a delivery with status 401: no v1 signature matches/g;
cmp_ok($lines, '>=', 1, 'the log tells of them');
cmp_ok($lines, '<=', 6, "in few lines ($lines)");
like(substr(slurp_file($node->logfile), $seen), qr/DETAIL:  Endpoint junction, message msg_\w+\./, 'with endpoint and message');
wait_until($node, 'app', q{SELECT n_tup_ins > 1 FROM pg_stat_user_tables WHERE relname = 'endpoint_activity'}, 'the statistics come');
my $written = run_sql($node, 'app', q{SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'endpoint_activity'}) - $before;
cmp_ok($written, '<=', 20, "and it wrote few rows ($written)");
unlike(slurp_file($node->logfile), qr/\Q$wrong\E|heartrate/, 'nothing of secrets or bodies is in the log');

# A weekend: the clock is put forward by putting what is stored back, while nothing is being written
sub hours_later { my ($hours) = @_; return run_sql($node, 'app', "BEGIN; LOCK TABLE wearables.endpoint_activity IN SHARE ROW EXCLUSIVE MODE; UPDATE wearables.endpoint_activity SET first_at = first_at - interval '$hours hours', last_at = last_at - interval '$hours hours', streak_from = streak_from - interval '$hours hours'; COMMIT"); }
# one message an hour is made, from an hour before the mistake to now
my @weekend = map { my $made = $now - 3600 * (60 - $_); [ message_id($made * 1000, "weekend $_"), samples_event('alice', 'heartrate', 'garmin', 'watch', [ $made, 60 ]) ] } -1 .. 60;
is(deliver($node, 'app', @{ shift @weekend }), 'accepted', 'the last message before the weekend');
my @said;
for my $hour (0 .. 60)
{
	# Svix tries each message at 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h later, and then no more: after 27.6 hours nothing comes
	run_sql($node, 'app', receive_sql(@{ $weekend[$hour] }, secret => $wrong)) if $hour < 28;
	push @said, run_sql($node, 'app', 'SELECT verdict FROM wearables.health');
	hours_later(1);
}
is_deeply([ @said[ 0 .. 0 ] ], ['warning'], 'in the first hour health warns');
is(join(' ', grep { $said[$_] ne 'failing' } 2 .. 60), '', 'and from then on it says failing, also when the sender has given up');
like(run_sql($node, 'app', q{SELECT string_agg(problem, ' ' ORDER BY problem) FROM wearables.problems}), qr/refused/, 'problems names it');
($id, $body) = message();
is(deliver($node, 'app', $id, $body), 'accepted', 'the secret is mended');
# what was given up in the meantime is told, found, filled, and only then over
wait_until($node, 'app', q{SELECT reason LIKE 'endpoint junction refused % deliveries (bad_signature)%these messages are probably lost%' FROM wearables.health}, 'health says that messages are missing');
is(run_sql($node, 'app', q{SELECT verdict FROM wearables.health}), 'warning', 'as a warning');
my $spans = q{SELECT count(*), coalesce(extract(epoch FROM sum(silent_for))::bigint / 3600, 0) FROM wearables.silent_spans('2 hours')};
is(run_sql($node, 'app', $spans), '1|60', 'and silent_spans() shows where');
# the sender's recover gives some of them, and the rest when it is asked again
is(run_sql($node, 'app', join '', map { receive_sql(@$_) } @weekend[ 0 .. 20, 30 .. 60 ]) =~ tr/\n//, 51, 'most are recovered');
is(run_sql($node, 'app', $spans), '1|10', 'the span that is left is where some are missing');
run_sql($node, 'app', join '', map { receive_sql(@$_) } @weekend);
is(run_sql($node, 'app', $spans), '0|0', 'until none is');
is(run_sql($node, 'app', q{SELECT sum(count) - count(*) FROM wearables.deliveries}), 52, 'those that came twice are there once');
run_sql($node, 'app', run_sql($node, 'app', q{SELECT statement FROM wearables.problems WHERE problem = 'lost'}));
wait_until($node, 'app', q{SELECT verdict = 'ok' FROM wearables.health}, 'and health is ok again');

# Eight strangers at once, with a transaction that holds the table: nobody waits
my $holder = $node->background_psql('app');
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE wearables.endpoint_activity IN ACCESS EXCLUSIVE MODE');
is(run_sql($node, 'app', 'SET statement_timeout = \'5s\';' . join '', map { refused_sql() } 1 .. 20) =~ tr/\n//, 19, 'refusals do not wait for the table');
($id, $body) = message();
is(deliver($node, 'app', $id, $body), 'accepted', 'deliveries neither');
wait_until($node, 'app', "SELECT status = 'processed' FROM wearables.webhook_events WHERE message_id = '$id'", 'nor events');
$holder->quit;

# Without a worker: the door writes itself
$node->append_conf('postgresql.conf', "wearables_ingest.databases = ''");
$node->reload;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}, 'without workers');
run_sql($node, 'app', 'DELETE FROM wearables.endpoint_activity');
run_sql($node, 'app', refused_sql() . 'SELECT pg_sleep(1.1);' . refused_sql());
cmp_ok(run_sql($node, 'app', q{SELECT count FROM wearables.endpoint_activity WHERE reason = 'bad_signature'}), '>=', 2, 'the next delivery writes what was counted');

# What holds up or refuses the writing holds up no delivery, and loses no count
my $kAll = q{SELECT sum(count) FROM (SELECT reason, count FROM wearables.endpoint_activity UNION ALL SELECT reason, count FROM wearables_internal.unwritten_activity()) a WHERE reason = 'bad_signature'};
my $counted = run_sql($node, 'app', $kAll);
$holder = $node->background_psql('app');
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE wearables.endpoint_activity IN ACCESS EXCLUSIVE MODE');
($id, $body) = message();
like(run_sql($node, 'app', "SET statement_timeout = '5s'; SELECT pg_sleep(1.1);" . refused_sql() . receive_sql($id, $body)), qr/accepted/, 'the table is locked: a delivery is accepted');
$holder->quit;
run_sql($node, 'app', q{CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
	CREATE TRIGGER no BEFORE INSERT OR UPDATE ON wearables.endpoint_activity FOR EACH ROW WHEN (NEW.reason = 'bad_signature') EXECUTE FUNCTION public.no()});
($id, $body) = message();
like(run_sql($node, 'app', 'SELECT pg_sleep(1.1);' . refused_sql() . receive_sql($id, $body)), qr/accepted/, 'a trigger refuses the row: a delivery is accepted');
run_sql($node, 'app', 'DROP TRIGGER no ON wearables.endpoint_activity; SELECT pg_sleep(1.1);' . refused_sql());
is(run_sql($node, 'app', $kAll), $counted + 3, 'and each refusal is counted, once');

# Without preloading: written at once
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
run_sql($node, 'app', 'DELETE FROM wearables.endpoint_activity');
run_sql($node, 'app', refused_sql());
is(run_sql($node, 'app', q{SELECT count FROM wearables.endpoint_activity WHERE reason = 'bad_signature'}), 1, 'not preloaded, it is written at once');
like(run_sql($node, 'app', 'SELECT verdict, reason FROM wearables.health'), qr/^warning\|1 delivery was refused \(bad_signature\)/, 'and health knows');

$node->stop;
done_testing();
