"""The vendor's resources as its OpenAPI document publishes them: their names over REST, their units and shapes."""

from dataclasses import dataclass

MANY, HOURLY = "many", "hourly"  # how often a resource is read; a number is so many a day

# What a history is recorded by. Wall-clock time under the name of UTC is what Libre sends.
WATCH = {"provider": "garmin", "type": "watch"}
PHONE = {"provider": "apple_health_kit", "type": "multiple_sources"}
RING = {"provider": "oura", "type": "ring"}
SENSOR = {"provider": "freestyle_libre", "type": "automatic"}
SCALE = {"provider": "withings", "type": "scale"}
CUFF = {"provider": "omron", "type": "cuff"}
PEN = {"provider": "apple_health_kit", "type": "app"}
LAB = {"provider": "quest", "type": "lab"}
LIPIDS = ("cholesterol/hdl", "cholesterol/ldl", "cholesterol/total", "cholesterol/triglycerides")
FLOATING = ("abbott_libreview", "freestyle_libre")


@dataclass(frozen=True)
class Timeseries:
    unit: str
    interval: bool
    per_day: object
    source: dict
    lowest: float
    highest: float
    types: tuple = (None,)  # one sample of each at one instant
    extra: tuple = ()  # further members, the same in every sample


# By the name in events; the name in REST paths is another one for two of them.
TIMESERIES = {
    "afib_burden": Timeseries("%", True, 1, PHONE, 0, 4),
    "basal_body_temperature": Timeseries("°C", True, 1, RING, 36, 37),
    "blood_oxygen": Timeseries("%", False, HOURLY, WATCH, 92, 100),
    "blood_pressure": Timeseries("mmHg", False, 2, CUFF, 70, 135),
    "body_mass_index": Timeseries("index", True, 1, SCALE, 22, 24),
    "body_temperature": Timeseries("°C", True, 2, PEN, 36, 38, extra=(("sensor_location", "ear"),)),
    "body_temperature_delta": Timeseries("°C", True, 1, RING, -1, 1, extra=(("sensor_location", "finger"),)),
    "caffeine": Timeseries("g", True, 2, PEN, 0, 1),
    "calories_active": Timeseries("kcal", True, MANY, PHONE, 0, 40),
    "calories_basal": Timeseries("kcal", True, HOURLY, PHONE, 60, 75),
    "carbohydrates": Timeseries("g", True, 3, PEN, 10, 90),
    "cholesterol": Timeseries("mmol/L", False, 1, LAB, 1, 5, LIPIDS),
    "daylight_exposure": Timeseries("min", True, HOURLY, WATCH, 0, 60),
    "distance": Timeseries("m", True, MANY, PHONE, 0, 900),
    "electrocardiogram_voltage": Timeseries("mV", False, 100, PHONE, -1, 1, ("lead_1",)),
    "fall": Timeseries("count", True, 1, WATCH, 1, 1),
    "fat": Timeseries("%", False, 1, SCALE, 18, 22),
    "floors_climbed": Timeseries("count", True, HOURLY, PHONE, 0, 4),
    "forced_expiratory_volume_1": Timeseries("L", True, 1, PEN, 2, 4),
    "forced_vital_capacity": Timeseries("L", True, 1, PEN, 3, 5),
    "glucose": Timeseries("mmol/L", False, MANY, SENSOR, 4, 9, ("automatic",)),
    "handwashing": Timeseries("count", True, 3, WATCH, 1, 1),
    "heart_rate_alert": Timeseries("count", True, 1, WATCH, 1, 1, ("high_heart_rate",)),
    "heart_rate_recovery_one_minute": Timeseries("count", True, 1, WATCH, 15, 30),
    "heartrate": Timeseries("bpm", False, MANY, WATCH, 48, 120),
    "hrv": Timeseries("rmssd", False, HOURLY, WATCH, 30, 90),
    "ige": Timeseries("FSU", False, 1, LAB, 0, 3, ("baha_grass", "cat_dander")),
    "igg": Timeseries("FSU", False, 1, LAB, 0, 3, ("dairy", "egg_white")),
    "inhaler_usage": Timeseries("count", True, 2, PEN, 1, 2),
    "insulin_injection": Timeseries(
        "unit",
        True,
        4,
        PEN,
        2,
        10,
        ("rapid_acting",),
        (("delivery_mode", "bolus"), ("delivery_form", "standard"), ("bolus_purpose", "meal")),
    ),
    "lean_body_mass": Timeseries("kg", True, 1, SCALE, 55, 57),
    "mindfulness_minutes": Timeseries("min", True, 1, PEN, 5, 20),
    "note": Timeseries("text", True, 1, PEN, 0, 0, extra=(("tags", ["food"]),)),
    "peak_expiratory_flow_rate": Timeseries("L/min", True, 1, PEN, 400, 600),
    "respiratory_rate": Timeseries("bpm", False, HOURLY, WATCH, 12, 18),
    "sleep_apnea_alert": Timeseries("count", True, 1, WATCH, 1, 1),
    "sleep_breathing_disturbance": Timeseries("count", True, 1, WATCH, 0, 5, ("not_elevated",)),
    "stand_duration": Timeseries("min", True, HOURLY, WATCH, 0, 60),
    "stand_hour": Timeseries("count", True, HOURLY, WATCH, 1, 1, ("stood",)),
    "steps": Timeseries("count", True, MANY, PHONE, 0, 1500),
    "stress_level": Timeseries("%", False, HOURLY, WATCH, 5, 80),
    "uv_exposure": Timeseries("index", True, HOURLY, WATCH, 0, 7),
    "vo2_max": Timeseries("mL/kg/min", True, 1, WATCH, 38, 45),
    "waist_circumference": Timeseries("cm", True, 1, PEN, 80, 90),
    "water": Timeseries("ml", False, 5, PEN, 100, 500),
    "weight": Timeseries("kg", False, 1, SCALE, 70, 74),
    "wheelchair_push": Timeseries("count", True, 1, WATCH, 0, 300),
    "workout_distance": Timeseries("m", True, 4, WATCH, 100, 900),
    "workout_duration": Timeseries("min", True, 1, WATCH, 20, 60, extra=(("intensity", "medium"),)),
    "workout_swimming_stroke": Timeseries("count", True, 4, WATCH, 10, 40),
    "hypnogram": Timeseries("stage", False, 8, RING, 1, 4),  # over REST only, deprecated
}
SEGMENTS = {
    "body_weight": "weight",
    "body_fat": "fat",
    **{name: name for name in TIMESERIES if name not in ("weight", "fat")},
}


@dataclass(frozen=True)
class Summary:
    list_key: str | None  # None: the answer is the object itself
    date_only: bool = False


SUMMARIES = {
    "activity": Summary("activity"),
    "sleep": Summary("sleep"),
    "workouts": Summary("workouts"),
    "body": Summary("body"),
    "meal": Summary("meals"),
    "profile": Summary(None),
    "sleep_cycle": Summary("sleep_cycle", True),
    "menstrual_cycle": Summary("menstrual_cycle", True),
    "electrocardiogram": Summary("electrocardiogram", True),
}

# Where a document says which day it is of, in this order.
DAY_FIELDS = ("calendar_date", "date", "period_start", "session_start", "bedtime_stop", "timestamp", "time_start")
