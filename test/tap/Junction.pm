# A Junction to test against (test/junction/README.md), started and told how to misbehave from TAP.
package Junction;

use strict;
use warnings FATAL => 'all';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use HTTP::Tiny ();
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Time::HiRes ();

my $folder = abs_path(dirname(__FILE__) . '/../junction');
my $json = JSON::PP->new->utf8->canonical;

# What was started and not stopped; ended whatever happens.
my %running;
END { my $status = $?; $_->stop for values %running; $? = $status; }

# Starts it on a port of the system's choice. %option: those of junction.py, with "_" for "-" (seed, page_size, days,
# until, density, people, clock, key); a list gives one several times.
sub start
{
	my ($class, %option) = @_;
	my @arguments;
	for my $name (sort keys %option)
	{
		my $values = ref $option{$name} ? $option{$name} : [ $option{$name} ];
		push @arguments, '--' . $name =~ tr/_/-/r, $_ for @$values;
	}
	my $self = bless { arguments => \@arguments, dir => abs_path(PostgreSQL::Test::Utils::tempdir()) }, $class;
	$self->{key} = 'sk_us_junction';
	$running{$self} = $self;
	$self->_start;
	return $self;
}

# Runs one of the programs; returns what it told when it was ready.
sub _run
{
	my ($self, $name, @arguments) = @_;
	my $out = "$self->{dir}/$name.out";
	unlink $out;
	$self->{$name} = IPC::Run::start([ '/usr/bin/python3', '-B', "$folder/$name.py", @arguments ],
		'<', \undef, '>', $out, '2>>', "$self->{dir}/$name.err");
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time < $until && $self->{$name}->pumpable)
	{
		my $told = -s $out ? slurp_file($out) : '';
		if ($told =~ /\n/)
		{
			my $ready = $json->decode($told);
			return $ready if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ready->{port});
		}
		Time::HiRes::usleep(20_000);
	}
	die "$name.py does not start: " . slurp_file("$self->{dir}/$name.err");
}

sub _start
{
	my ($self, @ports) = @_;
	my $ready = $self->_run('junction', @{ $self->{arguments} }, @ports);
	@$self{qw(port control_port)} = @$ready{qw(port control_port)};
	return;
}

# nginx in front, for TLS and HTTP/2; WEARABLES_NGINX names one that is not in the path. After this url() is https.
sub start_tls
{
	my ($self, @arguments) = @_;
	my $front = "$self->{dir}/front";
	mkdir $front;
	my $ready = $self->_run('front', '--upstream', $self->{port}, '--folder', $front, @arguments);
	@$self{qw(tls_port authority)} = @$ready{qw(port authority)};
	return;
}

sub port { return $_[0]{port}; }
sub tls_port { return $_[0]{tls_port}; }
sub key { return $_[0]{key}; }

# The certificate of the authority that signed the server's, as a file.
sub authority { return $_[0]{authority}; }

# The base URL that an endpoint is given.
sub url { my ($self) = @_; return $self->{tls_port} ? "https://127.0.0.1:$self->{tls_port}" : $self->plain_url; }
sub plain_url { return "http://127.0.0.1:$_[0]{port}"; }

sub _stop
{
	my ($self, $name, $signal) = @_;
	my $program = delete $self->{$name} or return;
	$program->signal($signal);
	eval { $program->finish };
	return;
}

sub stop
{
	my ($self) = @_;
	$self->_stop($_, 'TERM') for qw(front junction);
	delete $running{$self};
	return;
}

# The process is killed, and comes back on the same ports; rules and counts are gone. nginx stays.
sub restart
{
	my ($self, %option) = @_;
	$self->_stop('junction', 'KILL');
	Time::HiRes::sleep($option{pause} // 0);
	$self->_start('--port', $self->{port}, '--control-port', $self->{control_port});
	return;
}

sub _at_control
{
	my ($self, $method, $path, $content) = @_;
	my $answer = HTTP::Tiny->new(timeout => 60)->request($method, "http://127.0.0.1:$self->{control_port}$path",
		defined $content ? { content => $json->encode($content) } : {});
	die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
	return $json->decode($answer->{content});
}

# Changes what it is told: rules, seed, page_size, clock, latency, keys, pulls, reset.
sub control { my ($self, %wanted) = @_; return $self->_at_control('POST', '/_control', \%wanted); }

# One rule in the place of all, or none, and counts from 0: $junction->misbehave(do => 'throttle', every => 3)
sub misbehave
{
	my ($self, %rule) = @_;
	return $self->control(rules => [ %rule ? \%rule : () ], reset => JSON::PP::true);
}

sub stats { return $_[0]->_at_control('GET', '/_stats'); }

# Requests since the last reset, oldest first: number, method, path, status, do, endpoint, protocol, connection.
sub requests { return @{ $_[0]->_at_control('GET', '/_log') }; }

# The world as webhooks of that endpoint: message_id, body (base64), version, sent_at, in no order.
sub events
{
	my ($self, $endpoint) = @_;
	return @{ $self->_at_control('GET', '/_events?endpoint=' . ($endpoint // '')) };
}

# What the vendor itself answers, over plain HTTP; dies unless it is 200.
sub ask
{
	my ($self, $path) = @_;
	my %headers = ('X-Vital-API-Key' => $self->{key});
	my $answer = HTTP::Tiny->new(timeout => 60)->get($self->plain_url . $path, { headers => \%headers });
	die "$path: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	return $json->decode($answer->{content});
}

# The same by the curl command and through nginx: its exit status, the HTTP status, the version of HTTP, the body.
sub curl
{
	my ($self, $path, @arguments) = @_;
	my ($out, $err) = ('', '');
	my $config = "header = \"X-Vital-API-Key: $self->{key}\"\n";  # by standard input: arguments are seen by everybody
	IPC::Run::run([ 'curl', '-sS', '--max-time', 60, '--cacert', $self->{authority}, '-K', '-',
			'-w', "\n%{http_code} %{http_version}", @arguments, $self->url . $path ],
		'<', \$config, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	my ($body, $code, $version) = $out =~ /\A(.*)\n(\d+) ([\d.]+)\z/s or die "curl: $status $err";
	return { exit => $status, status => $code, version => $version, body => $body, error => $err };
}

1;
