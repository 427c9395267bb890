"""Numbers, texts, times and names, good and bad, that hostile bodies put wherever such a thing is read."""

NUMBERS = [
    "0", "-0", "-0.0", "0e0", "-0e-400", "1e400", "-1e400", "1e-400", "1e308", "1.7976931348623157e308", "1.7976931348623159e308",
    "4.9e-324", "2e-324", "9007199254740993", "18446744073709551616", "-9223372036854775809", "9" * 400, "1e99999999999999999999",
    "0." + "0" * 5000 + "1", "9" * 5000, "-" + "9" * 5000, "1" + "0" * 5000 + "e-4999", "1e131071", "1e131072", "1e-16384",
]
NO_NUMBERS = [
    "NaN", "Infinity", "-Infinity", "nan", "inf", "01", "-01", "+1", ".5", "1.", "1e", "1e+", "-", "--1", "1-1", "0x10", "1_000",
    "1 2", "1,,2", "1,", "undefined", "'1'", "tru", "truee", "nulL", "1f", "1e5.5", "\u0661",
]
TEXTS = {
    "empty": b'""', "blank": b'" "', "high_surrogate": b'"\\ud800"', "low_surrogate": b'"a\\udc00b"', "crossed_surrogates": b'"\\udc00\\ud800"',
    "nul": b'"a\\u0000b"', "controls": b'"\\u0001\\n\\t\\u007f"', "astral": b'"\\ud83d\\ude00"', "escaped_letters": b'"\\u0067\\u0061\\u0072"',
    "not_utf8": b'"\xff"', "overlong": b'"\xc0\x80"', "utf8_surrogate": b'"\xed\xa0\x80"', "cut_utf8": b'"\xf0\x9f\x98"', "raw_nul": b'"a\0b"',
    "raw_newline": b'"a\nb"', "wrong_escape": b'"\\x41"', "short_escape": b'"\\u12"', "unclosed": b'"abc', "backslash_at_end": b'"abc\\"',
    "noncharacter": b'"\xef\xbf\xbf"', "combining": b'"' + "e\u0301".encode() * 60 + b'"', "101_bytes": b'"' + b"a" * 99 + "\u00e9".encode() + b'"',
    "quotes": b'"\'\\"; DROP TABLE x; --"', "format": b'"%s%n%d\\\\"', "slash": b'"a/b~c"', "dots": b'"a..b."', "star": b'"*"',
}
WRONG = {"null": b"null", "true": b"true", "number": b"1", "negative": b"-1.5", "huge": b"1e400", "empty_text": b'""', "text": b'"x"',
         "empty_list": b"[]", "list": b"[1]", "lists": b"[[[]]]", "empty_object": b"{}", "object": b'{"a":1}', "objects": b'[{"a":{"b":[{}]}}]'}
INSTANTS = [
    "0000-00-00", "0000-01-01", "0001-01-01T00:00:00Z", "1899-12-31T23:59:59.999999Z", "1900-01-01", "1900-01-01T00:00:00+23:59",
    "1969-12-31T23:59:60Z", "2000-02-30", "1900-02-29", "2199-12-31T24:00:00Z", "2200-01-01T00:00:00Z",
    "2200-01-01T00:00:00.000001Z", "2262-04-12", "9999-12-31T23:59:59.999999999Z", "9999-12-31T24:00:00-23:59", "10000-01-01",
    "-0001-01-01", "294277-01-01", "infinity", "-infinity", "epoch", "now", "today", "2026-03-29T06:00:00+99:99",
    "2026-03-29T06:00:00+24:00", "2026-03-29T06", "2026-03-29T06:00:00.", "2026-03-29T06:00:00,",
    "2026-03-29T06:00:00." + "9" * 5000 + "Z", "2026-03-29T23:59:60Z", "2026-03-29T24:00:01Z", "2026-03-29T25:00Z", "2026-3-29",
    "20260329", "2026-03-29T06:00:00Z ", " 2026-03-29", "2026-03-29T06:00:00 Europe/Berlin", "2026-W13-7", "2026-088",
    "\u0662\u0660\u0662\u0666-03-29", "2026-03-29T06:00:00z", "2026-03-29t06:00:00+0000", "2026-03-29 06:00:00+00",
]
ZONES = [
    "Europe/Berlin", "UTC", "", "../../../etc/passwd", "/etc/localtime", "posixrules", "posix/UTC", "right/UTC", "localtime",
    "Factory", "UTC+25", "XYZ-99:99:99", "AAA-167", "AAA+167", "<A>-1", "EST5EDT", "EST5EDT,M3.2.0,M11.1.0", "GMT+14", "Etc/GMT-14",
    "+05:30", "-00", "5", "z" * 64, "z" * 65, "A" * 255, "Europe/Berlin/", "europe/berlin", "EUROPE/BERLIN", "Europe//Berlin",
    "Europe", ".", "-", "+", "_", "/",
]
SECONDS = [
    "0", "-0", "1e11", "1e14", "99999999999", "100000000001", "1e18", "-1e18", "1e300", "-2208988800", "-2208988801", "7258118400",
    "7258118401", "4611686018427387904", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "0.0000001", "1e-400",
]
EVENT_TYPES = [
    "", ".", "..", "...", "a", "daily", "daily.data", "daily.data.", "daily.data..created", "daily.data.heartrate",
    "daily.data.heartrate.deleted", "daily.data.heartrate.created.", "historical.data.heartrate.created", "historical.data..created",
    "pull.", "pull.heartrate", "pull.nothing", "provider.connection.", "provider.connection.deleted", "provider.device.created",
    "daily.timeseries.heartrate.created", "DAILY.DATA.HEARTRATE.CREATED", "daily.data." + "x" * 400 + ".created",
    "daily.data." + "x" * 600 + ".created", "." * 500, "daily.data.Ünïcode.created", "daily.data.a/b.created",
    "daily.data.*.created", "daily.data.workout_stream.created", "labtest.order.created", "daily.data.heartrate.created\n",
]
