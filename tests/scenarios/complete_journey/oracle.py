#!/usr/bin/env python3
"""What the segments of this scenario must be, from the raw files, with DuckDB and without Tranche.

    oracle.py --data DIR --as-of 2017-05-01 --as-of 2017-08-01 ...

DIR is the folder that holds `completejourney/`. An as_of is a date or an instant in UTC; they are given in the order in which the
pipeline runs. Prints {as_of: {segment: {"size", "entered", "exited", "unmatched"}}}: `entered` and `exited` against the as_of before
(the first one enters from nothing), `unmatched` the distinct ids that the definition returns and the entity table lacks. A label
that no household has is given with zeros.

Every segment is put in another way here than in its definition, on purpose: a shared misreading would prove nothing. Money is in
whole cents.
"""

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path

import duckdb

# Views at T: `b` baskets, `r` redemptions, `d` department totals (events before T), `h` households, `c` campaigns with the instants
# at which they start and are over, `s` sends.
VIEWS = """
CREATE OR REPLACE TEMP VIEW b AS
  SELECT household_id AS hh, basket_id AS id, store_id AS store, CAST(ts AS TIMESTAMP) AS ts, lines,
         CAST(round(sales_value * 100) AS BIGINT) AS cents, CAST(round(coupon_disc * 100) AS BIGINT) AS coupon_cents
  FROM read_parquet('{dir}/baskets.parquet')
  WHERE CAST(ts AS TIMESTAMP) < {T};
CREATE OR REPLACE TEMP VIEW d AS
  SELECT household_id AS hh, department, CAST(round(sales_value * 100) AS BIGINT) AS cents
  FROM read_parquet('{dir}/household_department.parquet')
  WHERE TIMESTAMP '2018-01-01 05:00:00' < {T};
CREATE OR REPLACE TEMP VIEW h AS
  SELECT CAST(household_id AS BIGINT) AS hh, * EXCLUDE (household_id)
  FROM read_csv('{dir}/demographics.csv', header = true, all_varchar = true);
CREATE OR REPLACE TEMP VIEW c AS
  SELECT CAST(campaign_id AS BIGINT) AS id, campaign_type AS type, CAST(start_date AS TIMESTAMP) AS starts,
         CAST(end_date AS TIMESTAMP) + INTERVAL 1 DAY AS over
  FROM read_csv('{dir}/campaign_descriptions.csv', header = true, all_varchar = true);
CREATE OR REPLACE TEMP VIEW s AS
  SELECT CAST(campaign_id AS BIGINT) AS id, CAST(household_id AS BIGINT) AS hh
  FROM read_csv('{dir}/campaigns.csv', header = true, all_varchar = true);
CREATE OR REPLACE TEMP VIEW r AS
  SELECT CAST(household_id AS BIGINT) AS hh, CAST(campaign_id AS BIGINT) AS id, CAST(redemption_date AS TIMESTAMP) AS ts
  FROM read_csv('{dir}/coupon_redemptions.csv', header = true, all_varchar = true)
  WHERE CAST(redemption_date AS TIMESTAMP) < {T};
"""

BIG = "SELECT hh FROM (SELECT hh, sum(cents) AS x FROM b WHERE ts >= {T} - INTERVAL 90 DAY GROUP BY hh) WHERE x >= 100000"
FAMILY = "SELECT hh FROM h WHERE kids_count <> '0'"
RUNNING = "SELECT id FROM c WHERE starts < {T} AND {T} <= over"
IN_RUNNING = f"SELECT DISTINCT hh FROM s SEMI JOIN ({RUNNING}) AS x USING (id)"
LAST = "SELECT h.hh, (SELECT max(b.ts) FROM b WHERE b.hh = h.hh) AS last, (SELECT min(b.ts) FROM b WHERE b.hh = h.hh) AS first FROM h"
RECENT = "SELECT hh, sum(CASE WHEN ts >= {T} - INTERVAL 28 DAY THEN 1 ELSE 0 END) AS n FROM b GROUP BY hh"
# ntile(4) by hand: `place` from 0 of `n`; the first n % 4 quarters have one more.
QUARTER = """
SELECT hh, CASE WHEN place < n % 4 * (n // 4 + 1) THEN place // (n // 4 + 1)
                ELSE n % 4 + (place - n % 4 * (n // 4 + 1)) // (n // 4) END AS quarter
FROM (
  SELECT x.hh, (SELECT count(*) FROM spend AS y WHERE y.cents > x.cents OR (y.cents = x.cents AND y.hh < x.hh)) AS place,
         (SELECT count(*) FROM spend) AS n
  FROM spend AS x
)
"""
SPEND = "WITH spend AS (SELECT hh, sum(cents) AS cents FROM b WHERE ts >= {T} - INTERVAL 90 DAY GROUP BY hh)"

HOUSEHOLDS = {
    "buyers": "SELECT hh FROM b",
    "buyers_30d": "SELECT hh FROM b GROUP BY hh HAVING max(ts) >= {T} - INTERVAL 30 DAY",
    # The tenth basket from the last is young enough.
    "frequent_shoppers": """
        SELECT hh FROM (SELECT hh, ts, row_number() OVER (PARTITION BY hh ORDER BY ts DESC, id) AS k FROM b)
        WHERE k = 10 AND ts >= {T} - INTERVAL 30 DAY""",
    "store_hoppers": """
        SELECT hh FROM (SELECT DISTINCT hh, store FROM b WHERE ts >= {T} - INTERVAL 90 DAY) GROUP BY hh HAVING count(*) > 3""",
    "weekend_shoppers": """
        SELECT hh
        FROM (SELECT hh, CASE WHEN isodow(ts) >= 6 THEN 1 ELSE -1 END AS vote FROM b WHERE ts >= {T} - INTERVAL 60 DAY)
        GROUP BY hh HAVING sum(vote) > 0 AND count(*) > 3""",
    "coupon_lovers": """
        SELECT hh FROM (SELECT hh, sum(cents) AS paid, sum(coupon_cents) AS off FROM b WHERE ts >= {T} - INTERVAL 180 DAY GROUP BY hh)
        WHERE off > 0 AND 100 * off - 3 * paid >= 0""",
    "big_spenders": f"SELECT hh FROM h SEMI JOIN ({BIG}) AS x USING (hh)",
    "rising": """
        WITH now AS (SELECT hh, sum(cents) AS x FROM b WHERE ts >= {T} - INTERVAL 30 DAY GROUP BY hh),
             past AS (SELECT hh, sum(cents) AS x FROM b WHERE ts >= {T} - INTERVAL 60 DAY AND ts < {T} - INTERVAL 30 DAY GROUP BY hh)
        SELECT h.hh FROM h JOIN now USING (hh) JOIN past USING (hh) WHERE past.x > 0 AND 2 * now.x > 3 * past.x""",
    "gone_quiet": """
        SELECT h.hh FROM h JOIN b USING (hh)
        GROUP BY h.hh HAVING count(*) > 4 AND floor(epoch({T} - max(b.ts)) / 86400) IN (SELECT unnest(range(15, 61)))""",
    "long_pauses": "SELECT x.hh FROM b AS x ASOF JOIN b AS y ON x.hh = y.hh AND x.ts > y.ts WHERE y.ts + INTERVAL 30 DAY <= x.ts",
    "top_100": """
        SELECT h.hh FROM h JOIN b USING (hh) WHERE ts >= {T} - INTERVAL 90 DAY
        GROUP BY h.hh HAVING sum(cents) > 0 ORDER BY sum(cents) DESC, h.hh LIMIT 100""",
    "families": FAMILY,
    "high_income": "SELECT hh FROM h WHERE NOT (income LIKE 'Under%' OR regexp_matches(income, '^[0-9]{{2}}-'))",
    "not_homeowners": "SELECT hh FROM h WHERE home_ownership IN ('Renter', 'Probable Renter', 'Probable Homeowner')",
    "home_unknown": "SELECT hh FROM h EXCEPT SELECT hh FROM h WHERE home_ownership LIKE '%'",
    "single_shoppers_like_families": """
        SELECT h.hh FROM h JOIN b USING (hh) WHERE h.household_size = '1' AND b.ts >= {T} - INTERVAL 60 DAY
        GROUP BY h.hh HAVING sum(b.lines - 15) >= 0""",
    "redeemers_60d": "SELECT h.hh FROM h JOIN r USING (hh) GROUP BY h.hh HAVING max(r.ts) >= {T} - INTERVAL 60 DAY",
    "never_redeemed": "SELECT h.hh FROM h LEFT JOIN r USING (hh) WHERE r.ts IS NULL",
    "type_a_recipients": "SELECT s.hh FROM s JOIN c USING (id) WHERE c.type = 'Type A' AND c.starts < {T}",
    "in_running_campaign": IN_RUNNING,
    "ignored_campaigns": """
        SELECT s.hh
        FROM s JOIN c USING (id) LEFT JOIN (SELECT DISTINCT hh, id FROM r) AS x ON x.hh = s.hh AND x.id = s.id
        WHERE c.over < {T} GROUP BY s.hh HAVING count(*) > 1 AND count(x.hh) = 0""",
    "repeat_redeemers": "SELECT h.hh FROM h JOIN r USING (hh) GROUP BY h.hh HAVING min(r.id) < max(r.id)",
    "bought_after_redeeming": """
        SELECT b.hh FROM b WHERE EXISTS (
          SELECT 1 FROM r WHERE r.hh = b.hh AND r.ts >= {T} - INTERVAL 90 DAY
             AND date_diff('day', r.ts, CAST(CAST(b.ts AS DATE) AS TIMESTAMP)) BETWEEN 1 AND 3)""",
    "families_to_win": f"""
        ({FAMILY} INTERSECT {BIG}) EXCEPT (({IN_RUNNING}) INTERSECT (SELECT DISTINCT hh FROM r))""",
    "wooed_in_vain": f"""
        SELECT hh FROM ({LAST}) WHERE last < {{T}} - INTERVAL 10 DAY
        INTERSECT
        SELECT s.hh FROM s JOIN c USING (id) WHERE c.starts < {{T}} GROUP BY s.hh HAVING count(*) > 2""",
    "fuel_buyers": "SELECT hh FROM d WHERE department = 'FUEL' AND cents >= 20000",
    "lifecycle/none": "SELECT h.hh FROM h ANTI JOIN b USING (hh)",
    "lifecycle/lapsed": f"SELECT hh FROM ({LAST}) WHERE last < {{T}} - INTERVAL 30 DAY",
    "lifecycle/cooling": f"SELECT hh FROM ({LAST}) WHERE last >= {{T}} - INTERVAL 30 DAY AND last < {{T}} - INTERVAL 10 DAY",
    "lifecycle/new": f"SELECT hh FROM ({LAST}) WHERE last >= {{T}} - INTERVAL 10 DAY AND first >= {{T}} - INTERVAL 60 DAY",
    "lifecycle/active": f"SELECT hh FROM ({LAST}) WHERE last >= {{T}} - INTERVAL 10 DAY AND first < {{T}} - INTERVAL 60 DAY",
    "income_band/low": "SELECT hh FROM h WHERE regexp_matches(income, '^(Under 15|15-24|25-34)K$')",
    "income_band/middle": "SELECT hh FROM h WHERE regexp_matches(income, '^(35-49|50-74|75-99)K$')",
    "income_band/high": "SELECT hh FROM h WHERE income LIKE '1__-___K' OR income LIKE '2%-249K' OR income = '250K+'",
    "rhythm/several times a week": f"SELECT hh FROM ({RECENT}) WHERE n > 11",
    "rhythm/weekly": f"SELECT hh FROM ({RECENT}) WHERE n > 3 AND n < 12",
    "rhythm/now and then": f"SELECT hh FROM ({RECENT}) WHERE n > 0 AND n < 4",
    "value_tier/platinum": f"{SPEND} SELECT hh FROM ({QUARTER}) WHERE quarter = 0",
    "value_tier/gold": f"{SPEND} SELECT hh FROM ({QUARTER}) WHERE quarter = 1",
    "value_tier/silver": f"{SPEND} SELECT hh FROM ({QUARTER}) WHERE quarter = 2",
    "value_tier/bronze": f"{SPEND} SELECT hh FROM ({QUARTER}) WHERE quarter = 3",
}
CAMPAIGNS = {
    "running": RUNNING,
    "redeemed_well": """
        SELECT id
        FROM (SELECT id, count(*) AS n FROM s GROUP BY id) JOIN (SELECT id, count(DISTINCT hh) AS redeemed FROM r GROUP BY id) USING (id)
        WHERE redeemed >= n / 10.0""",
}


def sql_instant(text):
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if at.tzinfo is not None:
        at = at.astimezone(timezone.utc).replace(tzinfo=None)
    return f"TIMESTAMP '{at.isoformat(sep=' ')}'"


def returned(data, as_of):
    """The ids that each segment returns, and the ids there are, by segment."""
    con = duckdb.connect()
    t = sql_instant(as_of)
    folder = str(Path(data) / "completejourney").replace("'", "''")
    con.execute(VIEWS.format(dir=folder, T=t))
    found = {}
    for segments, universe in ((HOUSEHOLDS, "SELECT hh FROM h"), (CAMPAIGNS, "SELECT id FROM c")):
        there = {i for (i,) in con.sql(universe).fetchall()}
        for name, sql in segments.items():
            found[name] = ({i for (i,) in con.sql(sql.format(T=t)).fetchall()}, there)
    return found


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--data", required=True)
    args.add_argument("--as-of", required=True, action="append")
    args = args.parse_args()
    out, before = {}, {}
    for as_of in args.as_of:
        out[as_of] = {}
        for name, (ids, there) in returned(args.data, as_of).items():
            now, past = ids & there, before.get(name, set())
            before[name] = now
            out[as_of][name] = {
                "size": len(now),
                "entered": len(now - past),
                "exited": len(past - now),
                "unmatched": len(ids - there),
            }
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
