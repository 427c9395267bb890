"""A month of everything for the people of a world, as the events that the vendor would have sent of it.

The world of the convergence proof lies within one morning and has eight resources. History adds all of them, so that
there is something to page through: a connection, the notices of its backfill, and the data of each day.
"""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta

import catalog
import world as worlds

NAMESPACE = uuid.UUID("5d0cfb6e-3d5e-5b53-9c10-f2b0c5d9b1f1")
GARMIN_IS_LATE = timedelta(minutes=10)  # its notice comes before its data
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class History:
    def __init__(self, maker, people, days, until, density, only=(), endpoints=worlds.ENDPOINTS):
        """`until` is the midnight at which the people connect; `density` readings a day of what is read often; `only`
        these resources, or all."""
        self.maker, self.people, self.days, self.until, self.density = maker, people, days, until, density
        self.only, self.endpoints = only, endpoints
        self.timeseries = {name: series for name, series in catalog.TIMESERIES.items() if self.wants(name)}
        self.sent = 0

    def add(self):
        for person in self.people:
            for endpoint in self.endpoints:
                self.connect(person, endpoint)
                for number in range(self.days):
                    day = self.until - DAY * (self.days - number)
                    for resource, series in self.timeseries.items():
                        self.readings(person, endpoint, resource, series, day)
                    self.documents(person, endpoint, day, number)

    def wants(self, resource):
        return not self.only or resource in self.only

    # -- events

    def send(self, event_type, person, endpoint, data, at):
        """Each in a slot of 4 ms of its own, which is as exactly as a message id tells the time."""
        self.sent += 1
        rng = random.Random(f"history {self.maker.world.seed} {self.sent}")
        message_id, origin = worlds.ksuid(rng, int(at.timestamp() * 1000) + 4 * (self.sent % 10_000))
        body = {
            "event_type": event_type,
            "user_id": person.externals[endpoint],
            "client_user_id": person.client,
            "team_id": endpoint,
            "data": data,
        }
        self.maker.world.events.append(
            worlds.Message(
                endpoint,
                message_id,
                worlds.version_of(origin, endpoint, message_id, worlds.is_update(json.dumps(body))),
                json.dumps(body).encode(),
            )
        )

    def connect(self, person, endpoint):
        offered = {}
        for resource, series in self.timeseries.items():
            offered.setdefault(series.source["provider"], []).append(resource)
        summaries = [resource for resource in catalog.SUMMARIES if resource != "profile" and self.wants(resource)]
        offered.setdefault("oura", []).extend(summaries)
        for provider, resources in offered.items():
            about = {"name": provider.replace("_", " ").title(), "slug": provider, "logo": ""}
            available = {name: {"status": "available", "scope_requirements": None} for name in resources}
            self.send(
                "provider.connection.created",
                person,
                endpoint,
                {
                    "user_id": person.externals[endpoint],
                    "provider": about,
                    "source": about,
                    "external_user_id": None,
                    "resource_availability": available,
                },
                self.until,
            )
            for resource in resources:
                self.send(
                    f"historical.data.{resource}.created",
                    person,
                    endpoint,
                    {
                        "user_id": person.externals[endpoint],
                        "provider": provider,
                        "is_final": True,
                        "start_date": (self.until - DAY * self.days).isoformat(),
                        "end_date": self.until.isoformat(),
                    },
                    self.until + MINUTE,
                )

    def revise(self):
        """An hour after the people have connected the last night but one is known better."""
        day, at = self.until - DAY * 2, self.until + timedelta(hours=1)
        for person in self.people:
            for endpoint in self.endpoints:
                night = self.night(self.rng_of(person.client, endpoint, "documents", day), day)
                night.update(
                    id=self.identity(person, endpoint, "sleep", day),
                    user_id=person.externals[endpoint],
                    source=dict(catalog.RING),
                    total=21000,
                    awake=6000,
                    created_at=(day + DAY).isoformat(),
                    updated_at=at.isoformat(),
                )
                self.send("daily.data.sleep.updated", person, endpoint, night, at)

    def data(self, resource, person, endpoint, provider, data, day):
        at = self.until + GARMIN_IS_LATE if provider == "garmin" else day + DAY
        self.send(f"daily.data.{resource}.created", person, endpoint, data, at)

    def rng_of(self, *what):
        return random.Random(f"history {self.maker.world.seed} {' '.join(map(str, what))}")

    # -- readings

    def readings(self, person, endpoint, resource, series, day):
        rng = self.rng_of(person.client, endpoint, resource, day)
        count = {catalog.MANY: self.density, catalog.HOURLY: 24}.get(series.per_day, series.per_day)
        step = DAY / count
        samples = []
        for number in range(count):
            start = (day + step * number).replace(microsecond=0)
            for kind in series.types:
                samples.append(self.sample(rng, resource, series, start, kind))
        source = dict(series.source)
        if resource.startswith("workout_"):
            source.update(workout_id=self.identity(person, endpoint, "workouts", day), sport="running")
        self.data(resource, person, endpoint, source["provider"], {"source": source, "data": samples}, day)

    @staticmethod
    def sample(rng, resource, series, start, kind):
        stamp = start.isoformat()
        sample = {
            "id": None,
            "timestamp": stamp,
            "timezone_offset": None if series.source is catalog.SENSOR else 7200,
            "type": kind,
            "unit": series.unit,
        }
        if series.interval:
            sample.update(start=stamp, end=(start + 15 * MINUTE).isoformat())
        value = rng.uniform(series.lowest, series.highest)
        whole = series.unit in ("count", "stage", "bpm")
        if resource == "note":
            sample["value"] = "two slices of bread"
        elif resource == "blood_pressure":
            sample.update(systolic=round(value + 50), diastolic=round(value))
        else:
            sample["value"] = round(value) if whole else round(value, 2)
        sample.update(series.extra)
        return sample

    # -- documents

    def identity(self, person, endpoint, resource, day):
        return str(uuid.uuid5(NAMESPACE, f"{self.maker.world.seed} {person.client} {endpoint} {resource} {day:%F}"))

    def documents(self, person, endpoint, day, number):
        rng = self.rng_of(person.client, endpoint, "documents", day)
        made = [
            ("activity", self.activity(rng, day)),
            ("sleep", self.night(rng, day)),
            ("sleep_cycle", self.stages(day)),
            ("meal", self.meal(rng, day)),
        ]
        if number % 2 == 0:
            made.append(("workouts", self.workout(rng, day)))
        if number % 7 == 0:
            made += [
                (
                    "body",
                    {
                        "calendar_date": f"{day:%F}",
                        "date": day.isoformat(),
                        "weight": round(rng.uniform(70, 74), 1),
                        "fat": round(rng.uniform(18, 22), 1),
                    },
                ),
                ("electrocardiogram", self.cardiogram(rng, day)),
            ]
        if number % 28 == 0:
            made.append(("menstrual_cycle", self.cycle(day)))
        if number == 0:
            made.append(
                (
                    "profile",
                    {
                        "height": rng.randint(160, 190),
                        "birth_date": "1980-05-17",
                        "gender": "other",
                        "sex": "other",
                        "wheelchair_use": None,
                    },
                )
            )
        external = person.externals[endpoint]
        for resource, document in filter(lambda named: self.wants(named[0]), made):
            head = {
                "id": self.identity(person, endpoint, resource, day),
                "user_id": external,
                "source": dict(catalog.RING),
            }
            taken_in = (day + DAY).isoformat()
            document = {**head, **document, "created_at": taken_in, "updated_at": taken_in}
            if catalog.SUMMARIES[resource].date_only:
                document.update(
                    source_provider=head["source"]["provider"],
                    source_type=head["source"]["type"],
                    source_app_id=None,
                    source_device_id=None,
                )
            if resource == "sleep_cycle":
                document["sleep_id"] = self.identity(person, endpoint, "sleep", day)
            if resource == "workouts":
                document["provider_id"] = document["id"]
            self.data(resource, person, endpoint, "oura", document, day)

    @staticmethod
    def activity(rng, day):
        return {
            "calendar_date": f"{day:%F}",
            "date": day.isoformat(),
            "time_zone": "Europe/Berlin",
            "timezone_offset": 7200,
            "steps": rng.randint(2000, 15000),
            "calories_total": 2100.5,
            "calories_active": 500.5,
            "distance": 7012.0,
            "floors_climbed": rng.randint(0, 20),
            "low": 110,
            "medium": 40,
            "high": 12,
            "heart_rate": {
                "avg_bpm": 71,
                "min_bpm": 48,
                "max_bpm": 151,
                "resting_bpm": rng.randint(48, 60),
                "avg_walking_bpm": 92,
            },
        }

    @staticmethod
    def night(rng, day):
        start, stop = day - timedelta(hours=1), day + timedelta(hours=6, minutes=30)
        return {
            "calendar_date": f"{day:%F}",
            "date": day.isoformat(),
            "bedtime_start": start.isoformat(),
            "bedtime_stop": stop.isoformat(),
            "timezone_offset": 7200,
            "type": "long_sleep",
            "state": "confirmed",
            "duration": 27000,
            "total": 25200,
            "awake": 1800,
            "light": 14400,
            "rem": 5400,
            "deep": 5400,
            "latency": 600,
            "score": rng.randint(60, 95),
            "efficiency": 93.3,
            "hr_lowest": rng.randint(44, 52),
            "hr_resting": None,
            "hr_average": rng.randint(53, 60),
            "average_hrv": round(rng.uniform(30, 90), 1),
            "respiratory_rate": round(rng.uniform(12, 17), 1),
            "temperature_delta": round(rng.uniform(-0.6, 0.6), 2),
        }

    @staticmethod
    def stages(day):
        start = day - timedelta(hours=1)
        return {
            "session_start": start.isoformat(),
            "session_end": (start + timedelta(hours=7.5)).isoformat(),
            "time_zone": "Europe/Berlin",
            "stage_start_offset_second": [0, 600, 8000, 14000, 20000],
            "stage_end_offset_second": [600, 8000, 14000, 20000, 27000],
            "stage_type": [4, 2, 1, 3, 2],
        }

    @staticmethod
    def workout(rng, day):
        start = day + timedelta(hours=17)
        return {
            "calendar_date": f"{day:%F}",
            "time_start": start.isoformat(),
            "time_end": (start + 45 * MINUTE).isoformat(),
            "timezone_offset": 7200,
            "title": "Evening run",
            "sport": {"id": 16, "name": "Running", "slug": "running"},
            "average_hr": rng.randint(130, 150),
            "max_hr": rng.randint(160, 185),
            "distance": 8200.0,
            "calories": 610.0,
            "moving_time": 2640,
            "average_speed": 3.1,
            "max_speed": 4.4,
            "hr_zones": [0, 120, 600, 1200, 600, 120],
            "map": None,
        }

    @staticmethod
    def meal(rng, day):
        at = day + timedelta(hours=12)
        return {
            "calendar_date": f"{day:%F}",
            "timestamp": f"{at:%FT%TZ}",
            "name": "lunch",
            "energy": {"unit": "kcal", "value": rng.randint(400, 900)},
            "macros": {
                "carbs": 60.0,
                "protein": 30.5,
                "fibre": 8.0,
                "sugar": 12.0,
                "fats": {"saturated": 6.0, "total": 22.0},
            },
            "micros": None,
            "data": {"rye bread": {"energy": {"unit": "kcal", "value": 210}}},
        }

    @staticmethod
    def cardiogram(rng, day):
        start = day + timedelta(hours=8)
        return {
            "session_start": start.isoformat(),
            "session_end": (start + timedelta(seconds=30)).isoformat(),
            "time_zone": "Europe/Berlin",
            "voltage_sample_count": 15000,
            "heart_rate_mean": rng.randint(55, 80),
            "sampling_frequency_hz": 500,
            "classification": "sinus_rhythm",
            "inconclusive_cause": None,
            "algorithm_version": "2",
        }

    @staticmethod
    def cycle(day):
        return {
            "period_start": f"{day:%F}",
            "period_end": f"{day + DAY * 4:%F}",
            "cycle_end": f"{day + DAY * 27:%F}",
            "is_predicted": False,
            "menstrual_flow": [{"date": f"{day:%F}", "flow": "medium"}],
            "basal_body_temperature": [{"date": f"{day:%F}", "value": 36.5}],
        }


def world_with_history(seed, days, until, density, people, crowd=0, only=(), floored=0):
    """The world of that seed, and so many days more for so many of its people, and for a crowd of others at the first
    endpoint."""
    maker = worlds.Maker(seed, floored=floored)
    world = maker.make()
    if days:
        known = History(maker, maker.people[:people], days, until, density, only)
        known.add()
        place = worlds.ENDPOINTS[0]
        others = [worlds.Person(f"p{n}", {place: f"p{n}-at-{place}"}, "both", "Europe/Berlin") for n in range(crowd)]
        added = History(maker, others, days, until, density, only, [place])
        added.sent = known.sent  # so that no message id comes twice
        added.add()
        added.revise()
    return world


def midnight(text):
    return datetime.combine(datetime.fromisoformat(text).date(), datetime.min.time(), UTC)
