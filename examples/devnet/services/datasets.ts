/**
 * The tables that the query providers answer about, real public data from vega-datasets: FAA
 * wildlife strikes, flights of the US Bureau of Transportation Statistics, USGS earthquakes, US
 * airports. Column names are those of the `data.query@1` capability. Licences: README.md of devnet.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const DATA = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data')

/** A file of the package as a literal inside SQL. */
const file = (name: string): string => `'${join(DATA, name).replaceAll("'", "''")}'`

/** The files read, so that nothing else in their folder is. */
export const FILES: readonly string[] = ['flights-3m.parquet', 'birdstrikes.csv', 'airports.csv', 'earthquakes.json'].map((name) => join(DATA, name))

/** A SELECT over the raw file for each table. */
export const TABLES: Readonly<Record<string, string>> = {
  flights: `SELECT date, delay, distance, origin, destination FROM read_parquet(${file('flights-3m.parquet')})`,
  birdstrikes: `SELECT "Airport Name" AS airport, "Aircraft Make Model" AS aircraft, "Effect Amount of damage" AS damage,
    "Flight Date" AS date, "Aircraft Airline Operator" AS operator, "Origin State" AS state, "Phase of flight" AS phase,
    "Wildlife Size" AS size, "Wildlife Species" AS species, "Time of day" AS time_of_day, "Cost Other" AS cost_other,
    "Cost Repair" AS cost_repair, "Cost Total $" AS cost_total, "Speed IAS in knots" AS speed_knots
    FROM read_csv(${file('birdstrikes.csv')})`,
  airports: `SELECT iata, name, city, state, country, latitude, longitude FROM read_csv(${file('airports.csv')})`,
  earthquakes: `SELECT f.id AS id, epoch_ms(f.properties.time::BIGINT) AS time, f.properties.place AS place,
    f.properties.mag::DOUBLE AS magnitude, f.geometry.coordinates[3]::DOUBLE AS depth_km,
    f.geometry.coordinates[1]::DOUBLE AS longitude, f.geometry.coordinates[2]::DOUBLE AS latitude,
    f.properties.type AS type, f.properties.tsunami = 1 AS tsunami, f.properties.sig::INTEGER AS significance
    FROM (SELECT unnest(features) AS f FROM read_json(${file('earthquakes.json')}, maximum_object_size = 16777216))`,
}
