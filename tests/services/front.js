// The first service: GET /cart and GET /items ask the second one. Instrumented by OpenTelemetry's packages for Node; spans
// go over OTLP/HTTP as JSON, to where the standard OTEL_ variables say.
//
// Usage: front.js BACK (its address); the port is printed on standard error. NODE_PATH says where the packages are.
'use strict';

const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { trace } = require('@opentelemetry/api');

new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'front' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
}).register();
registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });

const http = require('http');
const back = process.argv[2];
const asks = { '/cart': '/prices', '/items': '/stock' };

const server = http.createServer((request, response) => {
  // As a framework with routes names its spans.
  trace.getActiveSpan().updateName(`${request.method} ${request.url}`);
  const failed = (error) => response.writeHead(502).end(String(error));
  const asked = http.get(`http://${back}${asks[request.url]}`, (answered) => {
    let rows = '';
    answered.on('data', (chunk) => { rows += chunk; });
    answered.on('end', () => response.writeHead(200, { 'Content-Length': rows.length }).end(rows));
  });
  asked.on('error', failed);
});
server.listen(0, '127.0.0.1', () => console.error(server.address().port));
