// A dashboard as Grafana's published types have it, with the options and field settings of each kind of panel.
import type { Dashboard, DataQuery, FieldConfig, Panel, RowPanel } from '@grafana/schema';
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type {
  FieldConfig as HeatmapField,
  Options as HeatmapOptions,
} from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesField,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of enums, not their names.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer Element)[]
      ? Plain<Element>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

// The data source's own types are not among those that are published.
type Target = DataQuery & {
  editorMode: 'code';
  expr: string;
  format?: 'heatmap';
  instant: boolean;
  legendFormat: string;
  range: boolean;
};

type Of<Type extends string, Options, Custom> = Omit<Panel, 'fieldConfig' | 'options' | 'targets' | 'type'> & {
  type: Type;
  options: Options;
  targets: Target[];
  fieldConfig: { defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom }; overrides: [] };
};

type AnyPanel =
  | RowPanel
  | Of<'bargauge', BarGaugeOptions, never>
  | Of<'heatmap', HeatmapOptions, HeatmapField>
  | Of<'stat', StatOptions, never>
  | Of<'timeseries', TimeSeriesOptions, TimeSeriesField>;

export type Written = Plain<Omit<Dashboard, 'panels'> & { panels: AnyPanel[] }>;
