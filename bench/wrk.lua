-- Offers the requests of a file in turn: each is its length on a line, then its octets.
local requests, turn = {}, 0
local file = assert(io.open(os.getenv("BENCH_REQUESTS"), "rb"))
while true do
  local length = file:read("*n")
  if not length then break end
  file:read(1)
  requests[#requests + 1] = file:read(length)
end
file:close()

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    'RESULT {"answers": %d, "seconds": %.6f, "unexpected": %d, "p50": %.4f, "p99": %.4f}\n',
    summary.requests, summary.duration / 1e6, bad,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
