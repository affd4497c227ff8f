// Package fleet lets several machines make one load: a coordinator, which knows
// the servers and prints the result, and workers, which only send and record.
//
// It is for the commands lars bench worker and lars bench run --workers. A
// worker connects its share of the connections and waits; when all are ready,
// the coordinator gives one moment to begin. An open loop has one schedule from
// one seed, of which arrival k is sent by worker k mod N: nothing is said
// between the machines while they send, but the counts of each interval.
// Results are merged as histograms, counter by counter, so the percentiles of
// the whole are exact; each worker's own figures are kept beside them, and one
// that is far from the others is named. When a worker fails, the others are
// stopped and the result is invalid, with the worker's name.
//
// Between coordinator and worker is one TCP connection, with messages of
// limited length. Both prove that they know the token without showing it; what
// they say is not encrypted.
//
// The package starts no servers, and has no opinion about what is asked: a Spec
// names a workload, and the worker's command makes it.
package fleet
