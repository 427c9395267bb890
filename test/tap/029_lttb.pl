# timeseries_lttb() against the package lttb of PyPI, as an independent judge: the same readings kept of series drawn by chance, of every length
# and for every number of points. Without PyPI it is skipped, and sql/points compares with the method written in SQL.
use strict;
use warnings FATAL => 'all';
use File::Temp ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $dir = File::Temp->newdir;
my $python = "$dir/venv/bin/python";
my $out;
IPC::Run::run([ '/usr/bin/python3', '-m', 'venv', "$dir/venv" ], '&>', \$out)
  && IPC::Run::run([ $python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'lttb==0.3.1', 'numpy' ], '&>', \$out)
  or plan skip_all => 'no package lttb: ' . ((split /\n/, $out)[-1] // 'python3 has no venv');

my $node = make_node('lttb', "wearables_ingest.databases = ''");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
my $alice = run_sql($node, 'app', q{SELECT wearables.register_user('alice')});
run_sql($node, 'app', q{INSERT INTO wearables.sources (provider, source_type, channel) VALUES ('garmin', 'watch', 'timeseries')});

# One series after another in a year of its own, at unequal distances: a walk, noise, steps, and long stretches of one value.
my $seed = int rand 1_000_000;
my @lengths = (3, 4, 5, 17, 100, 1009, 5000);
run_sql($node, 'app', "SELECT setseed($seed / 1000000.0)" . join '', map { my $i = $_; qq{;
	INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, version)
	SELECT $alice, (SELECT metric_id FROM wearables.metrics WHERE name = 'heartrate'), x.ts, 1, 0, x.value, 1
	FROM (SELECT timestamptz '@{[ 2000 + $i ]}-01-01Z' + sum(1 + floor(random() * 200)) OVER (ORDER BY n) * interval '1 s' AS ts,
	             60 + CASE $i % 4 WHEN 0 THEN sum(random() - 0.5) OVER (ORDER BY n) WHEN 1 THEN random() * 40 WHEN 2 THEN n / 50 % 2 * 10 ELSE 5 * sin(n / 20.0) END AS value
	      FROM generate_series(1, $lengths[$i]) n) x} } 0 .. $#lengths);

my $judge = <<'PY';
import sys, numpy, lttb
lines = [line.split() for line in sys.stdin]
points, series = int(sys.argv[1]), numpy.array(lines, dtype=float)
if points < len(series):
    series = lttb.downsample(series, points)
print(";".join(f"{x:.6f}" for x, _ in series))
PY

for my $i (0 .. $#lengths)
{
	my ($from, $to) = map { sprintf '%d-01-01 00:00+00', $_ } 2000 + $i, 2001 + $i;
	my $series = run_sql($node, 'app', qq{SET extra_float_digits = 3; SELECT string_agg(extract(epoch FROM p.ts - min) || ' ' || p.value, E'\\n' ORDER BY p.ts)
		FROM wearables.sample_points p, (SELECT min(ts) FROM wearables.sample_points WHERE ts >= '$from') f WHERE p.ts >= '$from' AND p.ts < '$to'});
	for my $points (3, 4, 7, 50, 333, 4999)
	{
		my ($kept, $err);
		IPC::Run::run([ $python, '-c', $judge, $points ], '<', \"$series\n", '>', \$kept, '2>', \$err) or die $err;
		chomp $kept;
		my $ours = run_sql($node, 'app', qq{SELECT string_agg(to_char(extract(epoch FROM l.ts - min), 'FM99999999990.000000'), ';' ORDER BY l.ts)
			FROM wearables.timeseries_lttb($alice, 'heartrate', '$from', '$to', $points) l, (SELECT min(ts) FROM wearables.sample_points WHERE ts >= '$from') f});
		is($ours, $kept, "$points of $lengths[$i] readings (seed $seed)");
	}
}

$node->stop;
done_testing();
