# The Junction to test against works where TAP runs: its self-test, paging to the end, a misbehaviour, TLS and HTTP/2
# through nginx, and that it comes back. Who pulls from it is tested elsewhere.
use strict;
use warnings FATAL => 'all';
use File::Basename qw(dirname);
use Junction;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(__FILE__);
my ($out, $err) = run_command([ '/usr/bin/python3', '-B', "$here/../junction/selftest.py" ]);
like($out, qr/^\d\d\d passed, 0 failed/m, 'its self-test') or diag join "\n", grep { !/^ok/ } split(/\n/, $out), $err;
unlike($out, qr/^# there is no /m, 'which had all programs that it needs');

my $junction = Junction->start(seed => 7, days => 10, until => '2025-06-01', people => 1, page_size => 50,
	clock => '2025-07-01T00:00:00Z');
my $heartrate = '/v2/timeseries/alice-at-junction/heartrate/grouped?start_date=2025-05-20&end_date=2025-05-31';

# The readings of a page
sub readings { my ($page) = @_; return map { @{ $_->{data} } } map { @$_ } values %{ $page->{groups} }; }

sub pages
{
	my ($path) = @_;
	my ($page, @pages);
	my $cursor = '';
	do
	{
		$page = $junction->ask($path . ($cursor && "&next_cursor=$cursor"));
		push @pages, $page;
		$cursor = $page->{next_cursor};
	} while ($cursor);
	return @pages;
}

my @pages = pages($heartrate);
cmp_ok(scalar @pages, '>=', 18, 'pages to the end');
cmp_ok(scalar(map { readings($_) } @pages), '>=', 900, 'hold ten days of readings');
is(scalar(grep { $_->{path} =~ /heartrate/ } $junction->requests), scalar @pages, 'and each was one request');
is_deeply([ pages($heartrate) ], \@pages, 'asked again, the same');

$junction->misbehave(do => 'throttle', match => 'heartrate', every => 3);
my @statuses = map { eval { $junction->ask($heartrate); 1 } ? 200 : $@ =~ /: (\d+) / } 1 .. 6;
is("@statuses", '200 200 429 200 200 429', 'every third request is throttled');
is($junction->stats->{statuses}{429}, 2, 'and counted');
$junction->misbehave;

$junction->start_tls;
my $body = $junction->curl($heartrate, '--http1.1')->{body};
for my $version (qw(1.1 2))
{
	my $answer = $junction->curl($heartrate, "--http$version", '--compressed');
	is("$answer->{exit} $answer->{status} $answer->{version}", "0 200 $version", "TLS and HTTP/$version");
	is($answer->{body}, $body, 'with the same body');
}
is($junction->stats->{protocols}{'HTTP/2.0'}, 1, 'the server counts by what protocol it was asked');
$junction->misbehave(do => 'cut');
is($junction->curl($heartrate)->{exit}, 92, 'a stream that is cut');

my $requests = join ' ', map { $_->{path} } $junction->requests;
$junction->restart;
is($junction->curl($heartrate)->{body}, $body, 'it comes back behind the same nginx');
unlike($requests . slurp_file("$junction->{dir}/front/error.log"), qr/@{[ $junction->key ]}/, 'no key is in a log');
$junction->stop;
done_testing();
