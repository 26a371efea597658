// The page of the map under test: the tiles of the server and nothing else. `show` moves the map and tells how many features
// of each layer are drawn once everything is.

window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});

maplibregl.setWorkerUrl("/maplibre-gl-csp-worker.js");

const tilesOf = (id) => ({ type: "vector", url: `/ogc/collections/${id}/tiles/WebMercatorQuad/tilejson.json` });
const circle = (id, layer, colour) => ({
  id, type: "circle", source: "hazards", "source-layer": layer,
  paint: { "circle-radius": 8, "circle-color": colour },
});

async function begin() {
  const sources = { hazards: tilesOf("hazards") };
  const layers = [
    { id: "background", type: "background", paint: { "background-color": "#ffffff" } },
    circle("counts", "hazard_counts", "#d00000"),
    circle("hazards", "hazards", "#0000d0"),
  ];
  const lines = await fetch(sources.hazards.url.replace("hazards", "lines"));
  if (lines.ok) {
    sources.lines = tilesOf("lines");
    layers.push({ id: "lines", type: "line", source: "lines", "source-layer": "lines",
      paint: { "line-width": 4, "line-color": "#00a000" } });
  }
  const style = { version: 8, sources, layers };
  return new maplibregl.Map({ container: "map", style, attributionControl: false, fadeDuration: 0 });
}

let map;

window.show = async ({ lon, lat, zoom }) => {
  map ??= await begin();
  const idle = new Promise((done) => map.once("idle", done));
  map.jumpTo({ center: [lon, lat], zoom });
  await idle;
  const drawn = {};
  for (const feature of map.queryRenderedFeatures()) {
    drawn[feature.sourceLayer] = (drawn[feature.sourceLayer] ?? 0) + 1;
  }
  return drawn;
};
