package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

func (g *Gateway) getPartitions(w http.ResponseWriter, _ *http.Request) {
	if m := g.mapOr503(w); m != nil {
		writeJSON(w, mapjson.PartitionsOf(m))
	}
}

func (g *Gateway) getPartition(w http.ResponseWriter, r *http.Request) {
	m := g.mapOr503(w)
	if m == nil {
		return
	}
	id, err := partition.ParseID(chi.URLParam(r, "id"))
	switch {
	case err != nil:
		badPartition.write(w, "")
	case len(m.Partitions) == 0:
		unavailable.write(w, g.waitsForNodes())
	case int(id) >= len(m.Partitions):
		noSuchPartition.write(w, "the cluster has "+strconv.Itoa(len(m.Partitions))+" partitions, numbered from 0")
	default:
		writeJSON(w, mapjson.PartitionOf(&m.Partitions[id]))
	}
}

func (g *Gateway) getNodes(w http.ResponseWriter, _ *http.Request) {
	if m := g.mapOr503(w); m != nil {
		writeJSON(w, mapjson.NodesOf(m, g.backend.NodeState))
	}
}

func (g *Gateway) getCluster(w http.ResponseWriter, _ *http.Request) {
	if m := g.mapOr503(w); m != nil {
		leader, all := g.backend.Coordinators()
		writeJSON(w, mapjson.ClusterOf(m, leader, all))
	}
}

func (g *Gateway) locate(w http.ResponseWriter, r *http.Request) {
	key, p := keyOf(r, locatePrefix)
	if p != nil {
		p.write(w, "")
		return
	}
	m := g.mapOr503(w)
	if m == nil {
		return
	}
	location, ok := mapjson.Locate(m, []byte(key))
	if !ok {
		unavailable.write(w, g.waitsForNodes())
		return
	}
	writeJSON(w, location)
}

// mapOr503 returns the newest map; where there is none yet it answers that.
func (g *Gateway) mapOr503(w http.ResponseWriter) *partition.Map {
	m := g.backend.Map()
	if err := g.backend.Fenced(); err != nil {
		unavailable.write(w, err.Error()+"; ask another node")
		return nil
	}
	if m == nil {
		unavailable.write(w, "this node has not yet received the partition map from the coordinators")
	}
	return m
}

// waitsForNodes says what is missing for the first placement.
func (g *Gateway) waitsForNodes() string {
	m := g.backend.Map()
	if m == nil {
		return "this node has not yet received the partition map from the coordinators"
	}
	return "the cluster waits for " + strconv.Itoa(m.Settings.ExpectNodes) + " nodes, has " + strconv.Itoa(len(m.Nodes))
}

// livez says that the process serves HTTP.
func (g *Gateway) livez(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }

// readyz says whether this node should get requests.
func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := g.backend.Ready(); err != nil {
		notReady.write(w, err.Error())
		return
	}
	writeText(w, "ready\n")
}

func writeText(w http.ResponseWriter, text string) {
	h := w.Header()
	h[headerCacheControl] = noStore
	h[headerContentType] = textType
	h[headerContentLength] = []string{length(len(text))}
	w.Write([]byte(text)) //nolint:errcheck // the client is gone; nobody is left to tell
}

func writeJSON(w http.ResponseWriter, value any) {
	b, err := json.Marshal(value)
	if err != nil { // values of our own types always marshal
		panic(err)
	}
	b = append(b, '\n')
	h := w.Header()
	h[headerCacheControl] = noStore
	h[headerContentType] = jsonType
	h[headerContentLength] = []string{length(len(b))}
	w.Write(b) //nolint:errcheck // the client is gone; nobody is left to tell
}

// methodNotAllowed names the methods that the route has.
func (g *Gateway) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	allowed := make([]string, 0, 4)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		if g.routes.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 { // a method that no route has, on a route that is not there
		noSuchRoute(w, r)
		return
	}
	w.Header()[headerAllow] = []string{strings.Join(allowed, ", ")}
	methodNotAllowed.write(w, r.Method+" is not one of the methods of this route: "+strings.Join(allowed, ", "))
}
