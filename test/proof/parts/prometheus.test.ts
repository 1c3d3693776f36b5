import { test } from 'tap'
import { parseMetrics } from '../../../proof/parts/prometheus.ts'

test('series by name and labels as written, with and without a time', async (t) => {
  t.same([...parseMetrics([
    '# HELP a_total Things',
    '# TYPE a_total counter',
    'a_total 3',
    'b{target="redis",text="a } b"} 1.5e3 1700000000000',
    'c:d +Inf',
    'e{le="+Inf"} -Inf',
    '', 'no value', '{} 3'
  ].join('\n'))], [['a_total', 3], ['b{target="redis",text="a } b"}', 1_500], ['c:d', Infinity], ['e{le="+Inf"}', -Infinity]])
  t.ok(Number.isNaN(parseMetrics('f NaN').get('f')))
})
